package engine

import (
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/engine/ollama"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// OllamaName is the name of Ollama's server, OllamaOneLess that of the same with
// checkpoints that say a window of one token less than they have: it gives them one more.
const (
	OllamaName    = "ollama"
	OllamaOneLess = OllamaName + window.OneLess
)

// ollamaContext is the most tokens of a request; the server's context holds twice that,
// so that what is decoded ahead fits, and nothing is shifted.
const ollamaContext = 1024

// NewOllama is the backend of Ollama's server, which command starts. end ends it. timeout is
// ollama.Server's.
func NewOllama(name string, command []string, timeout time.Duration, models Choice) (b *Backend, end func(), err error) {
	if name == OllamaOneLess {
		models.MinWindow = 2 // a window of none is no window
		if len(models.Archs) == 0 {
			// Gemma 2 has no token too many unless OLLAMA_NEW_ENGINE is set.
			models.Archs = []string{engine.Gemma3}
		}
	}
	// Mistral's GGUF has the architecture llama, whose layers get no window.
	if models.Archs, err = both("arch", models.Archs, []string{engine.Gemma2, engine.Gemma3}); err != nil {
		return nil, nil, err
	}
	models.Logits = ollama.Logits
	// Of Gemma 3 each sixth layer is full here, whatever its checkpoint says. Gemma 2 is run
	// by llama.cpp, which ends on one without a full layer.
	models.Layers = map[string][]int{engine.Gemma3: {1}, engine.Gemma2: {2}}
	server := func() *engine.Prompts {
		return &engine.Prompts{Ahead: 4, Completer: &ollama.Server{
			Command: command, Context: 2 * ollamaContext, OneLess: name == OllamaOneLess, Timeout: timeout,
		}}
	}
	driver := server()
	b, err = New(driver, Options{
		Name: name, Format: engine.GGUF, Models: models, Fresh: true,
		Can: corpus.EngineCan{Crop: true, Fork: true, Chunks: true, Join: true, Cached: true, MaxContext: ollamaContext},
		Another: func() (engine.Driver, func()) {
			another := server()
			return another, another.Close
		},
	})
	return b, driver.Close, err
}

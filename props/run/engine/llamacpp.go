package engine

import (
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/engine/llamacpp"
)

// LlamaCppName is the name of llama.cpp's server.
const LlamaCppName = "llama.cpp"

// llamaCppContext is the most tokens of a request: half of the context of a slot of
// serve.py, so that what is decoded ahead fits too.
const llamaCppContext = 1024

// NewLlamaCpp is the backend of llama.cpp's server, which command starts. end ends it.
// timeout is llamacpp.Server's.
func NewLlamaCpp(command []string, timeout time.Duration, models Choice) (b *Backend, end func(), err error) {
	// A GGUF of Mistral is one of the architecture llama, whose layers llama.cpp gives no
	// window.
	if models.Archs, err = both("arch", models.Archs, []string{engine.Gemma2, engine.Gemma3}); err != nil {
		return nil, nil, err
	}
	server := func() *engine.Prompts {
		return &engine.Prompts{Completer: &llamacpp.Server{Command: command, Timeout: timeout}, Ahead: 4}
	}
	driver := server()
	b, err = New(driver, Options{
		Name: LlamaCppName, Format: engine.GGUF, Models: models, Fresh: true,
		Can: corpus.EngineCan{Crop: true, Fork: true, Chunks: true, Join: true, Cached: true, MaxContext: llamaCppContext},
		Another: func() (engine.Driver, func()) {
			another := server()
			return another, another.Close
		},
	})
	return b, driver.Close, err
}

package engine

import "context"

// Format is how a checkpoint lies on disk.
type Format string

// The formats: a Hugging Face folder (config.json, safetensors, tokenizer), and one
// GGUF file.
const (
	HF   Format = "hf"
	GGUF Format = "gguf"
)

// Chunk is the tokens of one request in one forward.
type Chunk struct {
	Request string
	Tokens  []int
	// Pad is how many of the tokens, from the first, are left padding. It is not zero
	// for the first chunk of a request alone.
	Pad int
	// New says that the request begins here. One of the same name must not be there.
	New bool
}

// Driver is an engine as the suite drives it. A request is known by its name and is
// the tokens that it was given so far. An error that is impls.ErrRefused is the
// engine's refusal, after which all is as it was. It is not for use by two goroutines
// at once.
type Driver interface {
	// Load loads the checkpoint at path and forgets all requests. window is that of
	// its sliding layers, in tokens.
	Load(ctx context.Context, path string, format Format, window int) error
	// Forward gives the requests of one batch their next tokens, together where the
	// engine can, and returns a row of logits for the last token of each, in their
	// order; with all, for each token of each. A row has a number for each id of the
	// vocabulary. What differs from the logits by one number a row will do, as
	// log-probabilities do.
	Forward(ctx context.Context, chunks []Chunk, all bool) ([][]float32, error)
	// Crop keeps the first length tokens of a request.
	Crop(ctx context.Context, request string, length int) error
	// Fork begins a request with all the tokens of another.
	Fork(ctx context.Context, request, as string) error
	// Drop ends requests.
	Drop(ctx context.Context, requests ...string) error
}

// Versioner is a Driver that may know which version of its engine runs; "" where not.
type Versioner interface{ Version() string }

// Requester is a Driver that knows how many messages it has sent to its engine: of others
// each call but Load is one.
type Requester interface{ Requests() int }

package worker

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// Reproducer asks the worker for a program in its own language that shows a case
// without slidefuzz. The request is called script, and is part of the
// capability of that name: it holds the text of the case, and for a program its
// PyTorch code as source, its variant where it has one, and for a worker of grammar 2
// its lines as program and ir; the reply holds name and script.
func (c *Client) Reproducer(ctx context.Context, text []byte, p inplace.Program, variant string) (Reproducer, error) {
	hello, err := c.Hello(ctx)
	if err != nil || !hello.Script {
		return Reproducer{}, err
	}
	meta := map[string]string{"case": string(text)}
	if len(p.Buffers) > 0 {
		if meta["source"] = pyTorch(p, "p0"); hello.Grammar > 1 {
			meta["program"], meta["ir"] = programText(p), irText(p)
		}
		if variant != "" {
			meta["variant"] = variant
		}
	}
	reply, err := c.ask(ctx, "script", meta)
	if err != nil {
		return Reproducer{}, err
	}
	name := reply.Meta["name"]
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return Reproducer{}, c.fail(Nonsense, "the reply to script: name %q: want a plain file name", name)
	}
	return Reproducer{name, []byte(reply.Meta["script"])}, nil
}

// Reproducer is a file that shows a fault without slidefuzz.
type Reproducer struct {
	Name string
	Text []byte
}

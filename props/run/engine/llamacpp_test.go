package engine

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/engine/llamacpp"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// llamaCppCase is a case of llama.cpp's server: two requests, one after the other.
func llamaCppCase(t *testing.T) *corpus.Case {
	t.Helper()
	c, err := corpus.Parse("case.txt", []byte(`slidefuzz case v1
shape window=4
target engine/llama.cpp
model arch=gemma2 kind=visible layers=1 heads=1 kv=1 dim=64 dtype=F32 seed=1
prompt a 10
drop a
prompt b 5
`), 1<<20)
	require.NoError(t, err)
	return c
}

// A case of the server without --engine is refused by the name of what is missing.
func TestLlamaCppCaseWithoutServer(t *testing.T) {
	_, err := (&References{}).Run(t.Context(), []*corpus.Case{llamaCppCase(t)})
	require.ErrorContains(t, err, "name it with --engine llama.cpp --exec 'llama-server --parallel 1'")
	var unnamed *run.UnnamedError // corpus check leaves such a case out
	require.ErrorAs(t, err, &unnamed)
}

// A server that cannot start is an error in its own words, no finding.
func TestLlamaCppDoesNotStart(t *testing.T) {
	b, end, err := NewLlamaCpp([]string{"sh", "-c", "echo unknown flag >&2; exit 2", "sh"}, 0, Choice{})
	require.NoError(t, err)
	defer end()
	b.o.Folder = t.TempDir()
	_, err = b.Run(t.Context(), []*corpus.Case{llamaCppCase(t)})
	require.ErrorContains(t, err, "the server ended (exit status 2) before it answered: unknown flag")
	assert.Empty(t, b.Version())
}

// dying is a server that ends or hangs at its second prompt, once.
type dying struct {
	llamacpp.Server
	kind   worker.Kind
	loads  int
	asked  int
	closed bool
}

func (d *dying) Load(context.Context, string, engine.Format) error { d.loads++; return nil }
func (d *dying) Close()                                            { d.closed = true }

func (d *dying) Complete(context.Context, []int, int) ([][]float32, error) {
	if d.asked++; d.asked == 2 {
		return nil, &worker.ProcessError{Kind: d.kind, Detail: "its process ended"}
	}
	m := engine.Model{Arch: engine.Gemma2, Kind: engine.Visible, Window: 4, Layers: 1, Heads: 1, KVHeads: 1, HeadDim: 64}
	return [][]float32{make([]float32, m.Vocabulary())}, nil // which say nothing
}

// What ended or hung is a finding of that kind, and the next case loads anew. Requests are
// those of the server, as often as it was asked.
func TestLlamaCppEnds(t *testing.T) {
	for kind, want := range map[worker.Kind]corpus.Fault{worker.Crash: corpus.FaultCrash, worker.Hang: corpus.FaultHang} {
		d := &dying{kind: kind, asked: 1}
		b, err := New(&engine.Prompts{Completer: d, Ahead: 4}, Options{Name: LlamaCppName, Format: engine.GGUF, Fresh: true, Folder: t.TempDir()})
		require.NoError(t, err)
		c := llamaCppCase(t)
		found, err := b.Run(t.Context(), []*corpus.Case{c, c})
		require.NoError(t, err)
		require.Len(t, found, 2)
		assert.Equal(t, want, found[0].Fault)
		assert.Equal(t, 1, found[0].Op)
		assert.Equal(t, corpus.FaultLogits, found[1].Fault, "a fresh server answers, with logits that say nothing")
		assert.Equal(t, 2, d.loads)
		assert.Equal(t, 2, b.Steps().Requests)
		assert.Zero(t, b.Steps().Requests, "since it was asked last")
	}
}

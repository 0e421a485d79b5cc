package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
)

var checkpointCommand = command{
	name:  "engine checkpoint",
	args:  "DIR",
	about: "write a checkpoint whose logits say what each query attended to",
	long: `
Writes a probe checkpoint into DIR, which is made where it is missing, and prints the
path that an engine loads: with --format hf the folder, with gguf the file model.gguf in
it. Files of the same names are written over. docs/engines.md has how its logits are
read. The same flags give the same bytes.`,
	flags: func(fs *flag.FlagSet) action {
		arch := fs.String("arch", engine.Mistral, "the `ARCHITECTURE`: mistral (every layer slides), gemma2 or gemma3 (every other one) (default mistral)")
		kind := fs.String("kind", engine.Visible, "the `KIND`: visible says which tokens are seen; full, for windows to 16, also whether keys are whole and in their places (default visible)")
		format := fs.String("format", string(engine.HF), "the `FORMAT`: hf or gguf (default hf)")
		dtype := fs.String("dtype", "F32", "the element `TYPE`: F32, F16 or BF16 (default F32)")
		window := fs.Int("window", 8, "sliding layers see `N` tokens (default 8)")
		layers := fs.Int("layers", 2, "`N` layers (default 2)")
		heads := fs.Int("heads", 0, "`N` query heads a layer (default 2 for each KV head; for full as many as hold every distance)")
		kv := fs.Int("kv", 2, "`N` KV heads a layer (default 2)")
		dim := fs.Int("dim", 64, "`N` elements a head, 6 more than there are identities (default 64)")
		seed := fs.Uint64("seed", 1, "draw codes and slots with this `NUMBER` (default 1)")
		return func(_ context.Context, e *env, args []string) (int, error) {
			if len(args) != 1 {
				return 0, fmt.Errorf("want one folder, got %d", len(args))
			}
			d, err := impls.ParseDType(strings.ToUpper(*dtype))
			if err != nil {
				return 0, err
			}
			m := engine.Model{
				Arch: *arch, Kind: *kind, Window: *window, Layers: *layers,
				Heads: *heads, KVHeads: *kv, HeadDim: *dim, DType: d, Seed: *seed,
			}
			if m.Heads == 0 {
				m.Heads = 2 * m.KVHeads
				if m.Kind == engine.Full {
					m.Heads = engine.FullHeads(m.Window, m.KVHeads)
				}
			}
			path, err := m.Write(args[0], engine.Format(*format))
			if err != nil {
				return 0, err
			}
			fmt.Fprintln(e.out, path)
			return exitOK, nil
		}
	},
}

// Command ollama is a worker that drives the sliding-window cache of Ollama,
// package kvcache, as its models and its runner do: the cache is Ollama's, what
// moves bytes is in backend.go.
//
// The models hand the window of their configuration to the cache as it is, so
// that is the default. Ollama's mask then lets the query at position p see
// p-W … p, one token more than transformers and llama.cpp do; --size window-1
// asks for a window of W-1, with which the query sees W tokens, to hunt past
// that.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

type options struct {
	less      int    // than the window is what the cache is asked for
	keep      int    // tokens beyond the window, kept for reuse of a prefix
	hybrid    bool   // beside a layer of full attention
	config    string // of the backend
	context   int
	batch     int
	parallel  int // sequences at most, 0 for those of the batch
	snapshots int
	empty     bool // hand empty chunks to the cache
}

func main() {
	var o options
	size := flag.String("size", "window", "the window that the cache is asked for: `window`, as models do, or window-1")
	flag.IntVar(&o.keep, "keep", 0, "keep `N` tokens beyond the window: NewSWAMemCache, as for gpt-oss (default 0: NewSWACache)")
	flag.BoolVar(&o.hybrid, "hybrid", false, "in a WrapperCache with a layer of full attention, as in Gemma; that layer is checked too")
	flag.StringVar(&o.config, "config", "plain", "what the backend asks of the cache: `plain`; flash or permuted, as ggml with flash attention or without")
	flag.IntVar(&o.context, "context", 4096, "tokens of the context, num_ctx (default 4096)")
	flag.IntVar(&o.batch, "batch", 512, "most tokens of a pass, num_batch (default 512)")
	flag.IntVar(&o.parallel, "parallel", 8, "room for `N` sequences, num_parallel, and more if the batch has more; 0: for those of the batch, and no select (default 8)")
	flag.IntVar(&o.snapshots, "snapshots", 0, "offer `N` snapshots, each a fork into a sequence of its own by CopyPrefix (default 0)")
	flag.BoolVar(&o.empty, "empty", false, "hand chunks of no tokens to the cache, which Ollama's runner never does")
	flag.Parse()
	_, known := configs[o.config]
	switch {
	case *size == "window-1":
		o.less = 1
	case *size != "window":
		usage("--size %s: want window or window-1", *size)
	}
	switch {
	case flag.NArg() > 0 || !known:
		usage("%s %v: see --help", o.config, flag.Args())
	case o.keep < 0 || o.batch < 1 || o.snapshots < 0 || o.parallel < 0 || o.context < o.batch:
		usage("want --keep, --parallel and --snapshots of at least 0, --batch of at least 1, --context of at least --batch")
	}
	hello := worker.Hello{
		Name: o.name(), Version: version(), Contract: "chunks", Device: "pure-go",
		DTypes: []impls.DType{impls.F32, impls.F16},
		Crop:   true, Ragged: true, Select: o.parallel > 0, Snapshot: o.snapshots > 0,
	}
	if o.less > 0 {
		hello.Without = []string{"window-1"} // a window of 0 is none
	}
	err := worker.Serve(context.Background(), os.Stdin, os.Stdout, hello, func(s impls.Shape) (impls.Cache, error) { return newCache(o, s) })
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func usage(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(2)
}

// name says which cache it is.
func (o *options) name() string {
	name := "ollama-swa"
	if o.keep > 0 {
		name += "-mem"
	}
	if o.hybrid {
		name += "-hybrid"
	}
	return name
}

// version is that of Ollama.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/ollama/ollama" {
				return m.Version
			}
		}
	}
	return "unknown"
}

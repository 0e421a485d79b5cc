package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/caches"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/engine/reference"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/run"
	engines "github.com/slidefuzz/slidefuzz/props/run/engine"
	backend "github.com/slidefuzz/slidefuzz/props/run/worker"
)

var workerCommand = command{
	name:  "worker",
	args:  "TARGET",
	about: "serve a built-in target as a worker",
	long: `
Speaks the worker protocol on standard input and output, with a built-in target
as the cache: the reference for anyone who writes a worker. A known-bad target
is a worker that hunt --exec must catch. A TARGET is an update or program on
sim, or go/NAME, a built-in cache in Go with all that it can do and the limits
that it has, or engine/reference, the reference engine (engine/reference:FAULT
with a fault); go/hybrid and its like are not served, for the protocol has no
layers.`,
	flags: func(fs *flag.FlagSet) action {
		block := fs.Int("block", 1, "`N` cells a block (default 1)")
		order := fs.String("schedule", "descending", "the `ORDER` of the blocks, as in a case file (default descending)")
		return func(ctx context.Context, e *env, args []string) (int, error) {
			if len(args) != 1 {
				return 0, errors.New("want one target, as in roll/fused/sim")
			}
			t, err := window.ParseTarget(args[0])
			if err != nil {
				return 0, fmt.Errorf("%w%s", err, didYouMean(args[0], targetNames()))
			}
			if t.Device == window.EngineDevice {
				return exitOK, serveReference(ctx, e, t)
			}
			if t.Device == window.Go {
				if isSet(fs, "block") || isSet(fs, "schedule") {
					return 0, fmt.Errorf("%s has no blocks: leave --block and --schedule out", t)
				}
				return exitOK, serveCache(ctx, e, t)
			}
			if _, ok := window.LookupUpdate(t.Update); !ok && t.Update != "program" || t.Device != "sim" {
				return 0, fmt.Errorf("%s: want an update, or program, on sim, or go/NAME; slidefuzz targets '*/*/sim' 'go/*' lists them", t)
			}
			schedule, err := inplace.ParseSchedule(*order)
			if err != nil {
				return 0, fmt.Errorf("--schedule: %w", err)
			}
			if *block < 1 || schedule.Kind == inplace.Native {
				return 0, errors.New("--block and --schedule: want at least 1, and an order")
			}
			hello := worker.Hello{
				Name: t.Update + "-" + t.Lowering.String(), Version: buildVersion(), Contract: "single", Device: "sim",
				DTypes: allDTypes,
			}
			orders := &inplace.Orders{Schedule: schedule}
			if t.Update == "program" {
				hello.Grammar = 2
				hello.DTypes = append(slices.Clone(allDTypes), impls.I32)
				return exitOK, worker.ServePrograms(ctx, e.in, e.out, hello, func(_ string, p inplace.Program, buffers []impls.Tensor) error {
					return runOnSim(p, buffers, t.Lowering, *block, orders)
				})
			}
			hello.Crop, hello.Snapshot = true, true
			return exitOK, worker.Serve(ctx, e.in, e.out, hello, func(s impls.Shape) (impls.Cache, error) {
				engine, err := window.NewEngine(t, s, *block)
				if err != nil {
					return nil, err
				}
				c := engine.NewCache(&inplace.Sim{})
				c.Order = func(_, _, blocks int) []int32 { return orders.Of(blocks) }
				return c, nil
			})
		}
	},
}

// allDTypes are those that every cache of ours takes.
var allDTypes = []impls.DType{impls.F32, impls.BF16, impls.F16, impls.F8E4M3, impls.U8}

// serveCache serves a built-in cache in Go.
func serveCache(ctx context.Context, e *env, t window.Target) error {
	info, _ := window.LookupCache(t.Update) // the target was checked
	hello, err := helloOf(info)
	if err != nil {
		return err
	}
	return worker.Serve(ctx, e.in, e.out, hello, func(s impls.Shape) (impls.Cache, error) { return caches.New(info.Name, s) })
}

// serveReference serves the reference engine.
func serveReference(ctx context.Context, e *env, t window.Target) error {
	name, fault, _ := strings.Cut(t.Update, ":")
	if name != engines.ReferenceName {
		return fmt.Errorf("%s: want engine/%s, or engine/%[2]s:FAULT", t, engines.ReferenceName)
	}
	driver, err := reference.New(reference.Options{Fault: fault})
	if err != nil {
		return err
	}
	hello := worker.Hello{
		Name: t.Update, Version: buildVersion(), Device: "cpu", DTypes: []impls.DType{impls.F32, impls.F16, impls.BF16},
		Model: &worker.ModelHello{Crop: true, Fork: true, Chunks: true, Join: true, Padding: true, All: true, Formats: []string{string(engine.HF)}},
	}
	return worker.ServeModel(ctx, e.in, e.out, hello, engine.Served{Driver: driver})
}

// helloOf is what the worker of a built-in cache in Go says of it.
func helloOf(i caches.Info) (hello worker.Hello, err error) {
	sample, err := run.BuiltinSample(i)
	if err != nil {
		return hello, err
	}
	if _, layered := sample.(impls.Layered); layered {
		return hello, fmt.Errorf("%s has layers with a window and without, which the worker protocol has not; slidefuzz hunt %[1]s runs it here", window.BuiltinCache(i.Name))
	}
	has := func(c corpus.Capability) bool { return run.Can(sample, c) }
	hello = worker.Hello{
		Name: i.Name, Version: buildVersion(), Contract: "chunks", Device: "cpu", DTypes: allDTypes,
		Crop: has(corpus.CanCrop), Ragged: has(corpus.CanRagged), Select: has(corpus.CanSelect), Snapshot: has(corpus.CanSnapshot),
		Without: i.Without, Batches: i.Batches,
	}
	if x, ok := sample.(impls.Sinker); ok {
		hello.Sinks = x.Sinks()
	}
	if i.Narrow {
		hello.Contract = "single"
	}
	if i.DimMultiple > 1 {
		hello.Dims = &worker.Dims{Multiple: i.DimMultiple}
	}
	// The two words of a crop by entry promise one to a cache that can do both.
	if hello.Crop && hello.Ragged && !has(corpus.CanCropEach) {
		return hello, fmt.Errorf("%s crops, and appends by entry, but cannot crop by entry: the worker protocol has no words for that", window.BuiltinCache(i.Name))
	}
	hello.MaxChunk, err = chunkLimit(i)
	return hello, err
}

// chunkLimit is the largest chunk of a cache in the words of the protocol: W, W+1 or
// a number.
func chunkLimit(i caches.Info) (l worker.ChunkLimit, err error) {
	if i.MaxChunk == nil {
		return l, nil
	}
	for _, l := range []worker.ChunkLimit{{Window: true}, {Window: true, N: 1}, {N: i.MaxChunk(1)}} {
		same := true
		for window := 1; window <= impls.MaxExtent/2; window *= 2 {
			same = same && l.Rows(window) == i.MaxChunk(window)
		}
		if same {
			return l, nil
		}
	}
	return l, fmt.Errorf("%s takes chunks of up to %d tokens at a window of 1, %d at 2: the worker protocol has words for W, W+1 and a number", window.BuiltinCache(i.Name), i.MaxChunk(1), i.MaxChunk(2))
}

// runOnSim runs a program in place; what it returns comes after its buffers.
func runOnSim(p inplace.Program, buffers []impls.Tensor, how inplace.Lowering, block int, orders *inplace.Orders) error {
	if len(buffers) == 0 {
		return errors.New("a program without a buffer")
	}
	x := buffers[0]
	s := impls.Shape{Batch: x.Batch, Heads: x.Heads, Window: 1, Dim: x.Dim, DType: x.DType}
	plan := inplace.Compile(p, how, s, block)
	mem := make([][]byte, len(plan.Rows))
	for i, rows := range plan.Rows {
		mem[i] = make([]byte, s.Lanes()*rows*s.RowBytes())
	}
	for i := range buffers {
		if of := i - len(p.Buffers); of < 0 {
			mem[i] = buffers[i].Data
		} else {
			mem[plan.Returns[of]] = buffers[i].Data
		}
	}
	sim := &inplace.Sim{}
	for _, k := range plan.Kernels {
		sim.Run(k, mem, s.DType.Size(), orders.Of(k.Blocks()))
	}
	return nil
}

var workerCheckCommand = command{
	name:  "worker check",
	args:  "COMMAND [ARG …]",
	about: "check that a worker speaks the protocol",
	long: `
Starts the worker and asks it everything once: hello, caches of each of its
element types, chunks that it must take and such as it must refuse, crop and
snapshot where it offers them, bye. A worker with an engine is given checkpoints
and asked for their logits. Prints a line for each; the last, OK or
FAILED, says what came of it, and the exit status is 1 where the worker breaks
the protocol. Whether its cache is right is for hunt --exec to say. Put -- before
a command with flags.`,
	flags: func(fs *flag.FlagSet) action {
		timeout, startTimeout := worker.DefaultTimeout, time.Duration(0)
		durationVar(fs, &timeout, "timeout", "a worker that does not answer for `DURATION` has hung (default 2m)")
		startTimeoutFlag(fs, &startTimeout)
		return func(ctx context.Context, e *env, args []string) (int, error) {
			if len(args) == 0 {
				return 0, errors.New("want the command of a worker")
			}
			client := &worker.Client{Args: args, Timeout: timeout, StartTimeout: startTimeout}
			defer client.Kill()
			start, answers := time.Now(), 0
			check := backend.Check
			hello, err := client.Hello(ctx)
			if err == nil {
				if hello.Model != nil {
					check = engines.Check
				}
				err = check(ctx, client, func(what string) {
					answers++
					fmt.Fprintln(e.out, what)
				})
			}
			if errors.Is(err, context.Canceled) {
				return 0, err // the worker is not to blame
			}
			if err != nil {
				fmt.Fprintf(e.out, "FAILED: %v\n", err)
				return exitUnexpected, nil
			}
			fmt.Fprintf(e.out, "OK: it speaks the protocol (%s in %s); whether its cache is right, slidefuzz hunt --exec says\n", corpus.Plural(answers, "check"), seconds(time.Since(start)))
			return exitOK, nil
		}
	},
}

package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// Check asks a worker everything that the protocol has, once for each
// of its element types, and returns the first reply that the protocol does not
// allow. Whether the rows are right is not judged. say is called with what was
// found.
func Check(ctx context.Context, w *worker.Client, say func(string)) error {
	hello, err := w.Hello(ctx)
	if err != nil {
		return err
	}
	say(fmt.Sprintf("hello: %s %s on %s, contract %s, dtypes %v, crop %t, snapshot %t, programs %t, sinks %d",
		hello.Name, hello.Version, hello.Device, hello.Contract, hello.DTypes, hello.Crop, hello.Snapshot, hello.Programs, hello.Sinks))
	for _, d := range hello.DTypes {
		if hello.Programs {
			if err := checkProgram(ctx, w, d); err != nil {
				return err
			}
			say(fmt.Sprintf("programs: %s", d))
			continue
		}
		// Two lanes of each kind, so that a mixed-up axis shows.
		s := impls.Shape{Batch: 2, Heads: 3, Window: 4, Dim: 5, DType: d}
		if err := checkCache(ctx, w, hello, s, say); err != nil {
			return err
		}
	}
	if err := w.Close(ctx); err != nil {
		return err
	}
	say("bye: exit status 0")
	return nil
}

// checkCache runs a sequence that meets every request.
func checkCache(ctx context.Context, w *worker.Client, hello *worker.Hello, s impls.Shape, say func(string)) error {
	if err := w.New(ctx, s); err != nil {
		return fmt.Errorf("new: %w", err)
	}
	ask := func(what string, must bool, err error) error {
		if f := w.Ended(); f != nil {
			return fmt.Errorf("%s: %w", what, f)
		}
		var refused *worker.RefusedError
		switch {
		case err == nil:
			say(fmt.Sprintf("%s %s: ok", s.DType, what))
		case !errors.As(err, &refused):
			return fmt.Errorf("%s: %w", what, err)
		case must:
			return fmt.Errorf("%s: refused: %s", what, refused.Reason)
		default:
			say(fmt.Sprintf("%s %s: refused: %s", s.DType, what, refused.Reason))
		}
		return nil
	}
	update := func(what string, must bool, s impls.Shape, q int) error {
		x := impls.NewTensor(s, q)
		k, v, err := w.Update(ctx, x, x)
		if err == nil && (k.DType != s.DType || v.DType != s.DType || k.Rows != v.Rows) {
			err = fmt.Errorf("returned keys of %s, %d rows, and values of %s, %d rows", k.DType, k.Rows, v.DType, v.Rows)
		}
		return ask(what, must, err)
	}
	wide, narrow := s, s
	wide.Heads++
	narrow.Batch--
	steps := []func() error{
		func() error { return update("a prefill of 3", true, s, 3) },
		func() error { return update("a decode that fills the window", true, s, 1) },
		func() error { return update("a decode past it", true, s, 1) },
		func() error { return update("a chunk longer than the window", true, s, 6) },
		func() error { return update("two tokens at a full window", false, s, 2) },
		func() error { return update("no tokens", false, s, 0) },
		func() error { return update("a head too many", false, wide, 1) },
		func() error { return ask("reset", true, w.Reset(ctx)) },
		func() error { return update("one batch entry after reset", false, narrow, 1) },
		func() error { return ask("reset", true, w.Reset(ctx)) },
		func() error { return update("a prefill after reset", true, s, 2) },
		func() error { return ask("snapshot", hello.Snapshot, w.Snapshot(ctx, 1)) },
		func() error { return ask("crop to 1", false, w.Crop(ctx, 1)) },
		func() error { return ask("restore", hello.Snapshot, w.Restore(ctx, 1)) },
		func() error { return update("a decode at the end", true, s, 1) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// checkProgram runs a program that moves nothing over itself.
func checkProgram(ctx context.Context, w *worker.Client, d impls.DType) error {
	s := impls.Shape{Batch: 1, Heads: 2, Window: 1, Dim: 3, DType: d}
	p := inplace.Program{Buffers: []inplace.Buffer{{Name: "x", Rows: 4}}, Stmts: []inplace.Stmt{inplace.Assign("x", 0, 2, inplace.Clone(inplace.View("x", 2, 4)))}}
	j := &worker.Job{Program: p, Buffers: []impls.Tensor{impls.NewTensor(s, 4)}}
	if err := w.RunPrograms(ctx, []*worker.Job{j}); err != nil {
		return fmt.Errorf("programs: %w", err)
	}
	return j.Err
}

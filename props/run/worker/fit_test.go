package worker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// What is fixed of a shape is fixed, and the rest is drawn.
func TestFixedShape(t *testing.T) {
	target := window.WorkerTarget("test")
	draw := corpus.Draws(target, 1)
	u8 := impls.U8
	b := &Backend{
		Shape: FixedShape{Dim: 8, DType: &u8},
		hello: &worker.Hello{Name: "test", Contract: "single", DTypes: []impls.DType{impls.F32, impls.U8}},
	}
	seen := map[impls.Shape]bool{}
	for range 300 {
		c := draw()
		b.Fit(c)
		require.True(t, b.Takes(c))
		require.Equal(t, 8, c.Shape.Dim)
		require.Equal(t, impls.U8, c.Shape.DType)
		require.NoError(t, c.Check(corpus.DefaultLimit))
		for _, o := range c.Ops {
			require.True(t, o.Mismatched(c.Shape) || o.Batch+o.Heads+o.Dim == 0 && o.DType == "", o)
		}
		seen[c.Shape] = true
	}
	require.Greater(t, len(seen), 30, "windows, batches and heads")
}

// A kept case of a program names the variant in which it failed. A worker that has it not
// is not asked: other workers of programs are the same target.
func TestTakesItsOwnVariants(t *testing.T) {
	b := &Backend{hello: &worker.Hello{Name: "test", Contract: "single", Programs: true, DTypes: []impls.DType{impls.F32}, Variants: []string{"jit"}}}
	c := b.Draws(b.Target(), 1)()
	b.Fit(c)
	for variant, takes := range map[string]bool{"": true, "jit": true, "scan": false} {
		c.Target.Variant = variant
		require.Equal(t, takes, b.Takes(c), "%q", variant)
	}
}

// A case of a variant that the worker has not says so, and what to change.
func TestSaysWhichVariantIsMissing(t *testing.T) {
	b := &Backend{hello: &worker.Hello{Name: "test", Contract: "single", Programs: true, DTypes: []impls.DType{impls.F32}}}
	c := b.Draws(b.Target(), 1)()
	b.Fit(c)
	c.Target.Variant = "scan"
	_, _, err := b.job(c, c.Program)
	require.EqualError(t, err, "program/worker/scan: the case is of the variant scan, the worker has no variants: start one that has it, with its --variants scan where it takes that, or leave /scan out of the case's target line")
	b.hello.Variants = []string{"jit", "eager"}
	_, _, err = b.job(c, c.Program)
	require.ErrorContains(t, err, "the worker has variants jit, eager: start one")
}

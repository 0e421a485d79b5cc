package hunt

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	rworker "github.com/slidefuzz/slidefuzz/props/run/worker"
)

// orderedCache is a cache of a worker that follows orders, with blocks as large as
// their number says.
type orderedCache struct {
	impls.Shape
	target window.Target
	order  []int
	*window.WindowCache
}

// Order implements worker.Ordered. The cache is made for the first one: an order of
// one case has as many blocks each time.
func (c *orderedCache) Order(blocks []int) error {
	c.order = blocks
	if c.WindowCache != nil {
		return nil
	}
	cells := c.Lanes() * c.Window * c.Dim
	e, err := window.NewEngine(c.target, c.Shape, (cells-1)/max(1, len(blocks))+1)
	if err != nil {
		return err
	}
	c.WindowCache = e.NewCache(&inplace.Sim{})
	c.WindowCache.Order = func(_, _, blocks int) []int32 {
		return inplace.Schedule{Kind: inplace.List, Blocks: c.order}.Order(blocks)
	}
	return nil
}

func (c *orderedCache) Reset() {
	if c.WindowCache != nil {
		c.WindowCache.Reset()
	}
}

// serveOrdered serves roll, in a lowering, as a worker with the capability order.
func serveOrdered(how inplace.Lowering, in io.Reader, out io.Writer) error {
	hello := testHello
	hello.Order = true
	target := window.Target{Update: "roll", Lowering: how, Device: "sim"}
	return worker.Serve(context.Background(), in, out, hello, func(s impls.Shape) (impls.Cache, error) {
		return &orderedCache{Shape: s, target: target}, nil
	})
}

// A race in a worker that follows orders is found, shrunk to two rows and two blocks
// as on sim, and shows in each of 100 runs.
func TestOrderedWorker(t *testing.T) {
	t.Parallel()
	client := testWorker(t, "race in the order of the case")
	all, b, err := backends(t.Context(), client, nil)
	require.NoError(t, err)
	r, err := Hunt(t.Context(), all, b.Target(), Options{Seed: 1, Cases: 100, ShrinkTime: time.Minute})
	require.NoError(t, err)
	require.NotEmpty(t, r.Findings)
	for _, f := range r.Findings {
		small := f.Small
		require.Equal(t, corpus.FaultRows, f.Divergence.Fault)
		require.Equal(t, 2, small.Shape.Window, "%s", small.Text())
		require.Equal(t, 2, small.Blocks(), "%s", small.Text())
		require.Equal(t, 1, small.Shape.Lanes()*small.Shape.Dim, "%s", small.Text())
		require.Equal(t, inplace.Schedule{Kind: inplace.List, Blocks: []int{1}}, small.Schedule)
		require.Len(t, small.Ops, 2)
		require.Zero(t, small.Expect.Rate, "it fails each time")
		require.False(t, small.Native())
		again, err := corpus.Parse("small", small.Text(), corpus.DefaultLimit)
		require.NoError(t, err)
		v, err := (&Runner{Backends: all}).Replay(t.Context(), again, 100)
		require.NoError(t, err)
		require.True(t, v.OK, v)
		require.Equal(t, 100, v.Runs.Wrong)
		again.Schedule = inplace.Schedule{}
		v, err = (&Runner{Backends: all}).Replay(t.Context(), again, 1)
		require.NoError(t, err)
		require.Nil(t, v.Divergence, "in ascending order roll without its check is right")
	}
}

// Without the race the same worker is right in every order.
func TestOrderedWorkerSound(t *testing.T) {
	t.Parallel()
	r, err := huntIn(t.Context(), testWorker(t, "sound in every order"), window.WorkerTarget("test"), nil, Options{Seed: 1, Cases: 500})
	require.NoError(t, err)
	require.Empty(t, r.Findings)
	require.Equal(t, 500, r.Cases)
}

// The check of a worker asks for an update in an order, where hello offers it.
func TestCheckOrder(t *testing.T) {
	t.Parallel()
	var said []string
	client := testWorker(t, "race in the order of the case")
	require.NoError(t, rworker.Check(t.Context(), client, func(what string) { said = append(said, what) }))
	require.Contains(t, said[0], "order true")
	require.Contains(t, said, "F32 a decode with its blocks in descending order: ok")
	require.Contains(t, said, "F32 a decode in its own order: ok")
	said = nil
	require.NoError(t, rworker.Check(t.Context(), testWorker(t, "sound"), func(what string) { said = append(said, what) }))
	require.Contains(t, said[0], "order false")
	require.NotContains(t, said, "F32 a decode in its own order: ok")
}

// A worker without the capability is asked for no order, and a case that has one is
// refused, not run in another.
func TestOrderRefused(t *testing.T) {
	t.Parallel()
	head := "slidefuzz case v1\nshape batch=1 heads=1 window=300 dim=300 dtype=U8 layout=heads-first\ntarget worker/test\n"
	for _, x := range []struct{ kind, lines, says string }{
		{"sound", "block 9\nschedule descending\n", "the worker's hello lacks the capability order: want schedule native"},
		{"sound", "block 9\nschedule 1\n", "the worker's hello lacks the capability order: want schedule native"},
		{"sound", "block 9\nschedule ascending\n", ""},
		{"sound", "block 9\nschedule native\n", ""},
		{"sound in every order", "block 1\nschedule descending\n", "the order of 90000 blocks does not fit a message: want a larger block, or schedule native"},
		{"sound in every order", "block 1\nschedule native\n", ""},
		{"sound in every order", "block 2\nschedule random 7\n", ""},
		{"sound in every order", "block 9\nschedule 1\norder 1 keys 0: 2\n", "an update of a worker has one order for all of its kernels"},
	} {
		all, _, err := backends(t.Context(), testWorker(t, x.kind), nil)
		require.NoError(t, err)
		c, err := corpus.Parse("case", []byte(head+x.lines+"append 300\nappend 1\n"), corpus.DefaultLimit)
		require.NoError(t, err)
		d, err := all.One(t.Context(), c)
		if x.says != "" {
			require.ErrorContains(t, err, x.says, x.lines)
			continue
		}
		require.NoError(t, err, fmt.Sprint(x.kind, ": ", strings.TrimSpace(x.lines)))
		require.Nil(t, d, x.lines)
	}
}

package run_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// shown is a cache of one head that keeps the narrow contract, shows its buffers,
// crops to what it holds, and makes its buffers anew where the batch changes.
type shown struct {
	shape  impls.Shape
	n      int // tokens
	held   int // the newest of them that are in the buffers
	buffer [2]impls.Tensor
	saved  map[int]shown
	// spoils has a refused crop change the buffers.
	spoils bool
}

func newShown(s impls.Shape) *shown {
	c := &shown{shape: s, saved: map[int]shown{}}
	c.Reset()
	return c
}

func (c *shown) Reset() {
	c.n, c.held = 0, 0
	c.buffer = [2]impls.Tensor{impls.NewTensor(c.shape, c.shape.Window), impls.NewTensor(c.shape, c.shape.Window)}
}

func (c *shown) Stored() (keys, values impls.Tensor) { return c.buffer[0], c.buffer[1] }

func (c *shown) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	q, w, b := keys.Rows, c.shape.Window, &c.buffer[0]
	if keys.Batch != b.Batch || keys.Heads != b.Heads || keys.Dim != b.Dim || keys.DType != b.DType || values.Rows != q || oracle.Single.Refuses(c.n, q, w) {
		return k, v, impls.ErrRefused
	}
	for t, x := range [2]impls.Tensor{keys, values} {
		for lane := range x.Lanes() {
			rows := [][]byte{}
			for i := range c.held {
				rows = append(rows, slices.Clone(c.buffer[t].Row(lane, i)))
			}
			for i := range q {
				rows = append(rows, x.Row(lane, i))
			}
			for i, row := range rows[max(0, len(rows)-w):] {
				copy(c.buffer[t].Row(lane, i), row)
			}
		}
	}
	c.n, c.held = c.n+q, min(c.held+q, w)
	if q > w {
		return keys, values, nil
	}
	return c.buffer[0], c.buffer[1], nil
}

func (c *shown) Crop(n int) error {
	cut := c.n - n
	if cut <= 0 {
		return nil
	}
	if left := c.held - cut; left < min(n, c.shape.Window-1) {
		if c.spoils {
			clear(c.buffer[0].Data)
		}
		return errors.New("too many are gone")
	}
	c.n, c.held = n, c.held-cut
	for t := range c.buffer {
		for lane := range c.buffer[t].Lanes() {
			for i := c.held; i < c.shape.Window; i++ {
				clear(c.buffer[t].Row(lane, i))
			}
		}
	}
	return nil
}

func (c *shown) Select(entries []int) error {
	old := c.buffer
	if slices.Max(entries) >= old[0].Batch {
		return impls.ErrRefused
	}
	s := c.shape
	s.Batch = len(entries)
	for t := range c.buffer {
		c.buffer[t] = impls.NewTensor(s, s.Window)
		for i, b := range entries {
			for r := range s.Window {
				copy(c.buffer[t].Row(i, r), old[t].Row(b, r))
			}
		}
	}
	return nil
}

func (c *shown) Snapshot(id int) error {
	s := *c
	for t := range s.buffer {
		s.buffer[t] = c.copied(c.buffer[t])
	}
	c.saved[id] = s
	return nil
}

func (c *shown) Restore(id int) error {
	s, ok := c.saved[id]
	if !ok {
		return impls.ErrRefused
	}
	c.n, c.held = s.n, s.held
	for t := range c.buffer {
		if c.buffer[t].Batch != s.buffer[t].Batch {
			c.buffer[t] = c.copied(s.buffer[t])
		}
		copy(c.buffer[t].Data, s.buffer[t].Data)
	}
	return nil
}

func (c *shown) copied(x impls.Tensor) impls.Tensor {
	s := c.shape
	s.Batch = x.Batch
	return x.Clone(s)
}

// judged is what the judge says of operations on a cache of W=3.
func judged(t *testing.T, batch int, ops string, spoils bool) *corpus.Divergence {
	t.Helper()
	text := fmt.Sprintf("slidefuzz case v1\nshape batch=%d heads=1 window=3 dim=2 dtype=U8 layout=heads-first\ntarget cache\nblock 1\nschedule ascending\n%s\n", batch, strings.ReplaceAll(ops, "; ", "\n"))
	c, err := corpus.Parse("test", []byte(text), 0)
	require.NoError(t, err)
	cache := newShown(c.Shape)
	cache.spoils = spoils
	j := judge.New()
	w := run.Watch(run.Cache(cache), j)
	d, err := j.Cache(t.Context(), c, w, oracle.Single)
	require.NoError(t, err)
	d, err = run.Blame(d, c, w.Suspects(), func(c *corpus.Case) (*corpus.Divergence, error) {
		cache := newShown(c.Shape)
		cache.spoils = spoils
		j := judge.New()
		return j.Cache(t.Context(), c, run.Watch(run.Cache(cache), j), oracle.Single)
	})
	require.NoError(t, err)
	return d
}

// A buffer keeps its address for as long as the batch can keep its own.
func TestBuffersMoveWithTheBatch(t *testing.T) {
	for _, ops := range []string{
		"append 2; select 0,1,0; append 1; append 1",
		"append 2; snapshot 0; select 1; append 1; restore 0; append 1; append 1",
	} {
		d := judged(t, 2, ops, false)
		require.Nil(t, d, "%s: %v", ops, d)
	}
}

// A cache that accepts a crop need hold no more than the next query sees: one row
// less than the window.
func TestBuffersAfterACrop(t *testing.T) {
	for _, ops := range []string{
		"append 3; append 1; crop 3; append 1; append 1",
		"append 5; crop 4; snapshot 0; append 1; restore 0; append 1; crop 3; append 2",
	} {
		d := judged(t, 1, ops, false)
		require.Nil(t, d, "%s: %v", ops, d)
	}
}

// A refusal that is seen in the buffers at once is blamed for them.
func TestARefusalSeenInTheBuffersIsToBlame(t *testing.T) {
	d := judged(t, 1, "append 5; crop 1", true)
	require.NotNil(t, d)
	require.Equal(t, corpus.FaultChanged, d.Fault, d.String())
}

package props_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/leanovate/gopter"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/props"
)

// listCache is a cache that anyone might write: it returns all that the
// chunk's queries see, oldest first, and stores the last W rows.
type listCache struct {
	shape        impls.Shape
	keys, values impls.Tensor
}

func newListCache(_ *testing.T, s impls.Shape) (impls.Cache, error) {
	c := &listCache{shape: s}
	c.Reset()
	return c, nil
}

func (c *listCache) Reset() {
	c.keys, c.values = impls.NewTensor(c.shape, 0), impls.NewTensor(c.shape, 0)
}

func (c *listCache) Update(keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error) {
	s := c.shape
	if keys.Batch != s.Batch || keys.Heads != s.Heads || keys.Dim != s.Dim || keys.DType != s.DType {
		return impls.Tensor{}, impls.Tensor{}, fmt.Errorf("want [%d, %d, rows, %d] of %s", s.Batch, s.Heads, s.Dim, s.DType)
	}
	k, v := c.join(c.keys, keys), c.join(c.values, values)
	keep := max(0, k.Rows-s.Window)
	c.keys, c.values = k.Slice(keep, k.Rows).Clone(s), v.Slice(keep, v.Rows).Clone(s)
	return k, v, nil
}

func (c *listCache) join(old, chunk impls.Tensor) impls.Tensor {
	all := impls.NewTensor(c.shape, old.Rows+chunk.Rows)
	for lane := range all.Lanes() {
		for r := range old.Rows {
			copy(all.Row(lane, r), old.Row(lane, r))
		}
		for r := range chunk.Rows {
			copy(all.Row(lane, old.Rows+r), chunk.Row(lane, r))
		}
	}
	return all
}

// Your own cache is tested with three lines.
func TestListCache(t *testing.T) {
	props.TestCache(t, newListCache, props.Chunks())
}

// TestListCache above is the test. What it tests: the cache returns what the
// queries of a chunk see, oldest first.
func ExampleTestCache() {
	var test func(t *testing.T) = TestListCache
	cache, err := newListCache(nil, impls.Shape{Batch: 1, Heads: 1, Window: 2, Dim: 1, DType: impls.U8})
	if err != nil || test == nil {
		fmt.Println(err)
		return
	}
	chunk := func(rows ...byte) impls.Tensor {
		return impls.TensorOver(impls.Shape{Batch: 1, Heads: 1, Dim: 1, DType: impls.U8}, len(rows), rows)
	}
	for _, keys := range []impls.Tensor{chunk(1, 2, 3), chunk(4)} {
		k, _, err := cache.Update(keys, keys)
		fmt.Println(k.Data, err)
	}
	// Output:
	// [1 2 3] <nil>
	// [2 3 4] <nil>
}

// printer is a testing.TB that prints why it fails.
type printer struct{ testing.TB }

func (printer) Helper()                           {}
func (printer) Context() context.Context          { return context.Background() }
func (printer) Fatalf(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// A case of a built-in target fails a test of yours if it diverges.
func ExampleReplay() {
	var t testing.TB = printer{} // in a test, its own t
	props.Replay(t, `slidefuzz case v1
shape batch=1 heads=1 window=2 dim=1 dtype=F32 layout=heads-first
target roll/drop-war/sim
block 1
schedule descending
append 2
append 1
`)
	// Output: roll/drop-war/sim: op 2 (append), keys returned: lane 0 row 0 holds token 2, expected token 1; WAR: block 1 wrote row 1 of keys before block 0 read it
}

// A statement of your own, of the cases that the properties draw.
func ExampleForAll() {
	var t testing.TB = printer{} // in a test, its own t
	parameters := props.Parameters(t)
	parameters.MinSuccessfulTests = 100
	p := gopter.NewProperties(parameters)
	p.Property("returns at most W+q rows", props.ForAll(func(c *corpus.Case) (bool, error) {
		cache, err := newListCache(nil, c.Shape)
		if err != nil {
			return false, err
		}
		for _, o := range c.Ops {
			if o.Kind != corpus.Append || o.Mismatched(c.Shape) {
				continue
			}
			chunk := impls.NewTensor(c.Shape, o.N)
			keys, _, err := cache.Update(chunk, chunk)
			if err != nil || keys.Rows > c.Shape.Window+o.N {
				return false, err
			}
		}
		return true, nil
	}, props.Cases()))
	p.Run(gopter.ConsoleReporter(false)) // in a test, p.TestingRun(t)
	// Output: + returns at most W+q rows: OK, passed 100 tests.
}

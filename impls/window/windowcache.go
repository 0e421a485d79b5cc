package window

import (
	"fmt"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// WindowCache is a cache that an Engine runs: it keeps the contract "single"
// of pytorch#159855 with a guard of its own, unless the update is written
// without one.
type WindowCache struct {
	Shape impls.Shape
	// Order gives the order of the blocks of a kernel of the update under
	// way: tensor 0 is keys, 1 values. Nil is ascending everywhere.
	Order func(tensor, kernel, blocks int) []int32

	engine  *Engine
	rows    storage
	n       int // tokens that the caller has appended
	counter int // tokens that an update without guard believes it has
	saved   map[int]saved
	last    *step           // what the last update ran, nil if it ran nothing
	chunk   [2]impls.Tensor // what Update was given: kept here, so that an update allocates nothing
	got     [2]impls.Tensor // what it returns where that is neither of the caller nor the window
}

// saved is what a snapshot holds beside the rows.
type saved struct{ n, counter int }

// storage is where the rows of a WindowCache are, and what is done to them.
type storage interface {
	// run runs the program of a step on keys, then on values.
	run(s *step, keys, values *impls.Tensor, order func(tensor, kernel, blocks int) []int32)
	// clear zeroes the rows of a tensor from row on; reallocate gives the tensors other
	// memory, all zero.
	clear(tensor, row int)
	reallocate()
	// save keeps both tensors under a number, as a view or as a copy; load
	// brings them back.
	save(id int, view bool)
	load(id int)
	stored() (keys, values *impls.Tensor)
}

// NewCache makes an empty cache.
func (e *Engine) NewCache(d inplace.Device) *WindowCache {
	return &WindowCache{Shape: e.Shape, engine: e, rows: newMemory(e, d)}
}

// Recycle makes the cache what NewCache of an engine makes, on the device and in the memory
// that it has: what it was made for before does not matter. It is not Reset, which a
// known-bad update may do wrongly. A cache that was made by Record cannot be recycled.
func (c *WindowCache) Recycle(e *Engine) {
	c.rows.(*memory).empty(e)
	c.Shape, c.engine = e.Shape, e
	c.saved = nil
	c.Order, c.n, c.counter, c.last = nil, 0, 0, nil
}

// New makes an empty cache of a built-in update.
func New(t Target, s impls.Shape, block int) (*WindowCache, error) {
	e, err := NewEngine(t, s, block)
	if err != nil {
		return nil, err
	}
	d, err := inplace.NewDevice(t.Device)
	if err != nil {
		return nil, err
	}
	return e.NewCache(d), nil
}

// Stored implements Storer.
func (c *WindowCache) Stored() (keys, values impls.Tensor) {
	k, v := c.rows.stored()
	return *k, *v
}

// StoredRef is Stored by reference: see UpdateRef.
func (c *WindowCache) StoredRef() (keys, values *impls.Tensor) { return c.rows.stored() }

// Len is the number of tokens appended.
func (c *WindowCache) Len() int { return c.n }

// LastPlan is what the last Update ran, nil if it ran nothing. The storages
// are the cache, the chunk, then temporaries.
func (c *WindowCache) LastPlan() *inplace.Plan {
	if c.last == nil {
		return nil
	}
	return c.engine.plan(c.last)
}

// guard is the contract "single".
func (c *WindowCache) guard(keys, values *impls.Tensor) error {
	s := &c.Shape
	for i, t := range [...]*impls.Tensor{keys, values} {
		name := [...]string{"keys", "values"}[i]
		switch {
		case t.DType != s.DType:
			return refuse("update", "%s are %s, the cache holds %s", name, t.DType, s.DType)
		case t.Batch != s.Batch || t.Heads != s.Heads || t.Dim != s.Dim:
			return refuse("update", "%s are [%d, %d, %d, %d], want [%d, %d, rows, %d]",
				name, t.Batch, t.Heads, t.Rows, t.Dim, s.Batch, s.Heads, s.Dim)
		}
	}
	if keys.Rows != values.Rows {
		return refuse("update", "%d rows of keys and %d of values", keys.Rows, values.Rows)
	}
	q, w := keys.Rows, s.Window
	switch {
	case q == 0 && c.engine.update.bug == evictEmpty && c.n >= w:
		return nil
	case q == 0:
		return refuse("update", "a chunk of no rows")
	case q > w, c.n+q <= w, q == 1:
		return nil
	}
	return refuse("update", "%d rows after %d cross the border of a window of %d: append them one by one", q, c.n, w)
}

// Update implements Cache.
func (c *WindowCache) Update(keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error) {
	c.chunk = [2]impls.Tensor{keys, values}
	k, v, err := c.UpdateRef(&c.chunk[0], &c.chunk[1])
	if err != nil {
		return impls.Tensor{}, impls.Tensor{}, err
	}
	return *k, *v, nil
}

// UpdateRef is Update without copies of tensors, of ten words each, which are a good part of a
// decode's time. What it returns holds until the next call; with an error it is nil.
func (c *WindowCache) UpdateRef(keys, values *impls.Tensor) (k, v *impls.Tensor, err error) {
	c.last = nil
	u := c.engine.update
	if u.asWritten != nil {
		c.got[0], c.got[1], err = c.updateAsWritten(*keys, *values)
		if err != nil {
			return nil, nil, err
		}
		return &c.got[0], &c.got[1], nil
	}
	if err := c.guard(keys, values); err != nil {
		return nil, nil, err
	}
	q, w := keys.Rows, c.Shape.Window
	full := c.n+q > w
	switch {
	case u.bug == earlyRoll && q == 1 && c.n+1 == w && w > 1:
		full = true
	case q == 0: // evictEmpty: the newest row stands in for the missing one
		k, v := c.rows.stored()
		c.got = [2]impls.Tensor{k.Slice(w-1, w), v.Slice(w-1, w)}
		c.run(c.engine.programs.of(w, 1, true), &c.got[0], &c.got[1])
		return k, v, nil
	}
	c.run(c.engine.programs.of(c.n, q, full), keys, values)
	c.n += q
	if q > w {
		if u.bug == clampReturn {
			c.got = [2]impls.Tensor{keys.Slice(q-w, q), values.Slice(q-w, q)}
			return &c.got[0], &c.got[1], nil
		}
		return keys, values, nil
	}
	k, v = c.rows.stored()
	return k, v, nil
}

// updateAsWritten does what the code of the issue does without a guard.
func (c *WindowCache) updateAsWritten(keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error) {
	s := &c.Shape
	q := keys.Rows
	dense := true
	for _, t := range [...]*impls.Tensor{&keys, &values} {
		for _, e := range [...][2]int{{t.Batch, s.Batch}, {t.Heads, s.Heads}, {t.Dim, s.Dim}} {
			if e[0] != e[1] {
				dense = false
				if e[0] != 1 {
					return impls.Tensor{}, impls.Tensor{}, fmt.Errorf("the size of tensor a (%d) must match the size of tensor b (%d)", e[1], e[0])
				}
			}
		}
		if t.DType != s.DType || t.Rows != q {
			return impls.Tensor{}, impls.Tensor{}, fmt.Errorf("expected %s with %d rows, got %s with %d", s.DType, q, t.DType, t.Rows)
		}
	}
	full := c.counter >= s.Window
	if err := c.engine.update.asWritten(c, q, dense); err != nil {
		return impls.Tensor{}, impls.Tensor{}, err
	}
	k, v := keys, values
	if !dense {
		k, v = c.broadcast(keys), c.broadcast(values)
	}
	c.chunk = [2]impls.Tensor{k, v}
	c.run(c.engine.programs.of(c.n, q, full), &c.chunk[0], &c.chunk[1])
	c.n += q
	if q > s.Window {
		return keys, values, nil
	}
	k, v = c.Stored()
	return k, v, nil
}

// broadcast repeats a chunk along every axis where it has one and the cache
// has more.
func (c *WindowCache) broadcast(t impls.Tensor) impls.Tensor {
	out := impls.NewTensor(c.Shape, t.Rows)
	size := t.DType.Size()
	for lane := range out.Lanes() {
		from := min(lane/c.Shape.Heads, t.Batch-1)*t.Heads + min(lane%c.Shape.Heads, t.Heads-1)
		for r := range t.Rows {
			dst, src := out.Row(lane, r), t.Row(from, r)
			for e := range c.Shape.Dim {
				at := min(e, t.Dim-1) * size
				copy(dst[e*size:(e+1)*size], src[at:at+size])
			}
		}
	}
	return out
}

func (c *WindowCache) run(s *step, keys, values *impls.Tensor) {
	c.last = s
	c.rows.run(s, keys, values, c.Order)
}

// Reset implements Cache.
func (c *WindowCache) Reset() {
	switch c.engine.update.bug {
	case newBuffers:
		c.rows.reallocate()
	case keepValues:
		c.rows.clear(0, 0)
	default:
		c.rows.clear(0, 0)
		c.rows.clear(1, 0)
	}
	if c.engine.update.bug != keepLength {
		c.n = 0
	}
	c.counter = 0
	c.last = nil
}

// Crop implements Cropper. A window that has slid no longer holds what the
// tokens before n could see, and refuses.
func (c *WindowCache) Crop(n int) error {
	w := c.Shape.Window
	switch {
	case n < 0:
		return refuse("crop", "to %d tokens", n)
	case n >= c.n:
		return nil
	case c.n > w:
		return refuse("crop", "to %d of %d tokens: only the last %d are held", n, c.n, w)
	}
	c.last = nil
	if n == 0 && c.engine.update.bug == cropToAll {
		return nil
	}
	c.rows.clear(0, n)
	c.rows.clear(1, n)
	c.n, c.counter = n, n
	return nil
}

// Snapshot implements Snapshotter.
func (c *WindowCache) Snapshot(id int) error {
	c.rows.save(id, c.engine.update.bug == viewSnapshot)
	if c.saved == nil {
		c.saved = map[int]saved{}
	}
	c.saved[id] = saved{c.n, c.counter}
	return nil
}

// Restore implements Snapshotter.
func (c *WindowCache) Restore(id int) error {
	s, ok := c.saved[id]
	if !ok {
		return refuse("restore", "no snapshot %d", id)
	}
	c.rows.load(id)
	c.n, c.counter, c.last = s.n, s.counter, nil
	return nil
}

func refuse(op, format string, args ...any) error {
	return &impls.RefusedError{Op: op, Reason: fmt.Sprintf(format, args...)}
}

package window

import (
	"fmt"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// Names of the buffers in the programs of updates: the cache and the chunk.
const (
	cacheBuffer = "x"
	ChunkBuffer = "new"
)

// Update is a way to keep a window: the program that each chunk runs.
type Update struct {
	Name  string
	About string
	// step is the program for q new rows in a cache of w rows that has seen n
	// tokens, where the contract allows them.
	step func(w, n, q int) []inplace.Stmt
	// asWritten is the update without the guard of the contract, as the code
	// of the issue behaves; nil for a guarded one.
	asWritten func(c *WindowCache, q int, dense bool) error
	bug       bug
}

// bug is a fault planted on purpose, from real systems.
type bug uint8

const (
	noBug        bug = iota
	earlyRoll        // rolls on the token that fills the last slot (transformers#37574)
	clampReturn      // returns W rows of a longer prefill (mlxcel#678)
	keepLength       // reset zeroes the rows, not the length (transformers PR 48809)
	keepValues       // reset leaves one buffer out (moshi#407)
	viewSnapshot     // a snapshot shares the live buffer (ollama 144893850)
	cropToAll        // crop to 0 keeps everything (transformers#47433)
	evictEmpty       // evicts where the chunk is empty (onnxruntime PR 29904)
	outOfBounds      // a kernel reads far past its buffers; on devices of package gpu only
	endless          // a kernel never ends; on devices of package gpu only
	newBuffers       // reset takes new buffers, and what was captured keeps the old (ApxInf PR 89)
)

// updates lists the built-in updates: the sound ones, then the known-bad.
var updates = []Update{
	{Name: "shift-index", About: "gather by shifted indices, index_copy, copy back", step: shiftIndex(false)},
	{Name: "shift-assign", About: "shift-index where the backend has no index_copy: clone, assign by index", step: shiftIndex(true)},
	{Name: "cat", About: "x[:] = cat(x[1:], new)", step: withFill(catStep, fillIndexCopy)},
	{Name: "cat-assign", About: "cat, filled by clone and assignment by index", step: withFill(catStep, fillAssign)},
	{Name: "roll", About: "roll by -1, assign the last row as a slice, copy back", step: withFill(rollStep, fillIndexCopy)},
	{Name: "roll-assign", About: "roll, filled by clone and assignment by index", step: withFill(rollStep, fillAssign)},
	{Name: "roll-index", About: "roll by -1, assign the last row by an index tensor, copy back", step: withFill(rollIndexStep, fillIndexCopy)},

	{Name: "shift-index-as-written", About: "shift-index without the guard of the contract", step: shiftIndex(false), asWritten: writtenShiftIndex},
	{Name: "cat-as-written", About: "cat without the guard of the contract", step: withFill(catStep, fillIndexCopy), asWritten: writtenCat},
	{Name: "roll-as-written", About: "roll without the guard of the contract", step: withFill(rollStep, fillIndexCopy), asWritten: writtenRoll},
	{Name: "roll-early", About: "rolls on the token that fills the last slot", step: withFill(rollStep, fillIndexCopy), bug: earlyRoll},
	{Name: "return-clamped", About: "returns the last W rows of a longer prefill", step: withFill(catStep, fillIndexCopy), bug: clampReturn},
	{Name: "reset-length", About: "reset zeroes the rows and keeps the length", step: withFill(catStep, fillIndexCopy), bug: keepLength},
	{Name: "reset-values", About: "reset leaves the values", step: withFill(catStep, fillIndexCopy), bug: keepValues},
	{Name: "snapshot-view", About: "a snapshot is a view of the live buffer", step: withFill(catStep, fillIndexCopy), bug: viewSnapshot},
	{Name: "crop-zero", About: "crop to 0 keeps everything", step: withFill(catStep, fillIndexCopy), bug: cropToAll},
	{Name: "evict-empty", About: "an empty chunk evicts the oldest row", step: withFill(catStep, fillIndexCopy), bug: evictEmpty},
	{Name: "reset-moves", About: "reset takes new buffers; captured steps keep the old ones", step: withFill(catStep, fillIndexCopy), bug: newBuffers},
	{Name: "out-of-bounds", About: "a kernel reads 2^31 elements past its buffers", step: withFill(catStep, fillIndexCopy), bug: outOfBounds},
	{Name: "endless", About: "a kernel never ends", step: withFill(catStep, fillIndexCopy), bug: endless},
}

// LookupUpdate finds a built-in update by name.
func LookupUpdate(name string) (*Update, bool) {
	for i := range updates {
		if updates[i].Name == name {
			return &updates[i], true
		}
	}
	return nil, false
}

// Sound reports whether the update keeps the contract under sound lowerings.
func (u *Update) Sound() bool { return u.asWritten == nil && u.bug == noBug }

// Harmful reports whether the update crashes or hangs what runs it.
func (u *Update) Harmful() bool { return u.bug == outOfBounds || u.bug == endless }

// count is lo, lo+1, …, lo+n-1.
func count(lo, n int) []int {
	c := make([]int, n)
	for i := range c {
		c[i] = lo + i
	}
	return c
}

// shiftIndex gathers the window by (arange(W) + shift) % W and writes the
// chunk at its positions, clamped to the last row.
func shiftIndex(assign bool) func(w, n, q int) []inplace.Stmt {
	return func(w, n, q int) []inplace.Stmt {
		shift := 0
		if n+q > w {
			shift = 1
		}
		from, at := count(0, w), count(n, q)
		for i := range from {
			from[i] = (i + shift) % w
		}
		for i := range at {
			at[i] = min(at[i], w-1)
		}
		chunk := inplace.View(ChunkBuffer, 0, q)
		s := []inplace.Stmt{inplace.Define("t", inplace.Gather(inplace.View(cacheBuffer, 0, w), from))}
		if assign {
			s = append(s, inplace.Define("u", inplace.Clone(inplace.View("t", 0, w))), inplace.AssignIndex("u", at, chunk))
		} else {
			s = append(s, inplace.Define("u", inplace.IndexCopy(inplace.View("t", 0, w), at, chunk)))
		}
		return append(s, inplace.Assign(cacheBuffer, 0, w, inplace.View("u", 0, w)))
	}
}

// withFill is step once the window is full and fill before.
func withFill(step func(w int) []inplace.Stmt, fill func(w, n, q int) []inplace.Stmt) func(w, n, q int) []inplace.Stmt {
	return func(w, n, q int) []inplace.Stmt {
		if n+q <= w {
			return fill(w, n, q)
		}
		return step(w)
	}
}

func fillIndexCopy(w, n, q int) []inplace.Stmt {
	return []inplace.Stmt{inplace.Assign(cacheBuffer, 0, w, inplace.IndexCopy(inplace.View(cacheBuffer, 0, w), count(n, q), inplace.View(ChunkBuffer, 0, q)))}
}

func fillAssign(w, n, q int) []inplace.Stmt {
	return []inplace.Stmt{
		inplace.Define("t", inplace.Clone(inplace.View(cacheBuffer, 0, w))),
		inplace.AssignIndex("t", count(n, q), inplace.View(ChunkBuffer, 0, q)),
		inplace.Assign(cacheBuffer, 0, w, inplace.View("t", 0, w)),
	}
}

func catStep(w int) []inplace.Stmt {
	return []inplace.Stmt{inplace.Assign(cacheBuffer, 0, w, inplace.Cat(inplace.View(cacheBuffer, 1, w), inplace.View(ChunkBuffer, 0, 1)))}
}

func rollStep(w int) []inplace.Stmt {
	return []inplace.Stmt{
		inplace.Define("t", inplace.Roll(inplace.View(cacheBuffer, 0, w), -1)),
		inplace.Assign("t", w-1, w, inplace.View(ChunkBuffer, 0, 1)),
		inplace.Assign(cacheBuffer, 0, w, inplace.View("t", 0, w)),
	}
}

func rollIndexStep(w int) []inplace.Stmt {
	return []inplace.Stmt{
		inplace.Define("t", inplace.Roll(inplace.View(cacheBuffer, 0, w), -1)),
		inplace.AssignIndex("t", []int{w - 1}, inplace.View(ChunkBuffer, 0, 1)),
		inplace.Assign(cacheBuffer, 0, w, inplace.View("t", 0, w)),
	}
}

// keepLast stores the last w rows of a longer chunk.
func keepLast(w, q int) []inplace.Stmt {
	return []inplace.Stmt{inplace.Assign(cacheBuffer, 0, w, inplace.View(ChunkBuffer, q-w, q))}
}

// The three updates as the issue has them. q is the chunk's rows; dense says
// that its batch, heads and dim are the cache's, and not broadcast to them.
// An error is what PyTorch would raise.

func writtenShiftIndex(c *WindowCache, q int, dense bool) error {
	w := c.Shape.Window
	if q > w {
		return nil
	}
	if q == 0 {
		return fmt.Errorf("index -1 is out of bounds for dimension 0 with size 0")
	}
	if !dense {
		return fmt.Errorf("index_copy_(): source and destination slice shapes must match")
	}
	return nil
}

func writtenCat(c *WindowCache, q int, dense bool) error {
	w := c.Shape.Window
	full := c.counter >= w
	c.counter += q
	if q > w {
		return nil
	}
	if !full {
		return writtenFill(c, q, dense)
	}
	if !dense {
		return fmt.Errorf("sizes of tensors must match except in dimension 2")
	}
	// copy_ takes W rows, or one row, which it broadcasts.
	if rows := w - 1 + q; rows != w && rows != 1 {
		return fmt.Errorf("the size of tensor a (%d) must match the size of tensor b (%d)", w, rows)
	}
	return nil
}

func writtenRoll(c *WindowCache, q int, dense bool) error {
	w := c.Shape.Window
	full := c.counter >= w
	c.counter += q
	if q > w {
		return nil
	}
	if !full {
		return writtenFill(c, q, dense)
	}
	if q != 1 {
		return fmt.Errorf("the expanded size of the tensor (1) must match the existing size (%d)", q)
	}
	return nil
}

func writtenFill(c *WindowCache, q int, dense bool) error {
	if !dense {
		return fmt.Errorf("index_copy_(): source and destination slice shapes must match")
	}
	if q > 0 && c.n+q > c.Shape.Window {
		return fmt.Errorf("index %d is out of bounds for dimension 2 with size %d", c.n+q-1, c.Shape.Window)
	}
	return nil
}

// writtenProgram is what runs where asWritten raised nothing: the step of the
// update for what its own counter believes, on any q.
func (u *Update) writtenProgram(w, n, q int, full bool) []inplace.Stmt {
	switch {
	case q > w:
		return keepLast(w, q)
	case u.Name == "shift-index-as-written":
		return u.step(w, n, q)
	case !full && q == 0:
		return nil
	case !full:
		return u.step(w, n, q)
	case q == 0: // one row left of two, broadcast to both
		return []inplace.Stmt{inplace.Assign(cacheBuffer, 0, w, inplace.Gather(inplace.View(cacheBuffer, 1, w), make([]int, w)))}
	}
	return u.step(w, w, 1)
}

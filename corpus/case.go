package corpus

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// Order overrides the schedule for one kernel of one operation.
type Order struct {
	Op       int    // counted from 1
	Tensor   string // keys or values; for a program the buffer of the statement
	Kernel   int    // counted from 0 within the operation and tensor
	Schedule inplace.Schedule
}

// Case is everything that one test needs.
type Case struct {
	Shape    impls.Shape
	Target   window.Target
	Block    int // cells a block
	Schedule inplace.Schedule
	Orders   []Order
	Ops      []Op
	Program  inplace.Program // where Target.Update is "program"
	Beside   []Beside        // programs that run in one request with it, of a worker
	Engine   *EngineCase     // where Target.Device is "engine"; of Shape it has the window alone
	Expect   *Expect

	// source is the text that the case was read from, and canon what it would
	// print as without: a case that was not changed prints as it was read,
	// comments included.
	source, canon string
}

// Clone is a copy that shares nothing with c that a caller would change.
func (c *Case) Clone() *Case {
	d := *c
	d.Ops = slices.Clone(c.Ops)
	d.Orders = slices.Clone(c.Orders)
	d.Program, d.Beside = cloneProgram(c.Program), cloneBeside(c.Beside)
	d.Engine = c.Engine.Clone()
	return &d
}

// Native reports whether the order of the blocks is left to the device, so that
// the case may have another outcome each time. A worker may take an order, and is
// only offered such cases if it does; one that has failed in some runs alone orders
// something itself, whatever it was told.
func (c *Case) Native() bool {
	if c.Target.Device == window.Worker && (c.Expect == nil || c.Expect.Rate.Of == 0) {
		return c.Schedule.Kind == inplace.Native
	}
	return c.Schedule.Kind == inplace.Native || window.OrdersItself(c.Target.Device)
}

// Tokens is the number of tokens that the case appends.
func (c *Case) Tokens() int {
	if c.Engine != nil {
		return c.Engine.Tokens()
	}
	n := 0
	for i := range c.Ops {
		n += c.Ops[i].Tokens()
	}
	return n
}

// MaxBatch is the largest batch that the cache may come to have.
func (c *Case) MaxBatch() int {
	n := c.Shape.Batch
	for i := range c.Ops {
		if o := &c.Ops[i]; o.Kind == Select {
			n = max(n, len(o.Each))
		}
	}
	return n
}

// FitLists makes the numbers by entry of appends and crops as many as the batch has
// entries then: the first of them, or all over again. It reports whether that changes
// the case.
func (c *Case) FitLists() (changed bool) {
	at := NewLengths(c.Shape)
	for i := range c.Ops {
		o := &c.Ops[i]
		if batch := at.State().Batch(); o.Each != nil && o.Kind != Select && len(o.Each) != min(batch, MaxEntries) {
			each := cycled(o.Each, batch)
			if o.Kind == Append {
				*o = ragged(each)
			} else {
				*o = cropEach(each)
			}
			changed = true
		}
		at.After(o, c.Shape)
	}
	return changed
}

// TheProgram is the program that the case runs: its own or a built-in one; ok
// is false for a case of a cache.
func (c *Case) TheProgram() (p inplace.Program, ok bool) {
	if c.Target.Update == "program" {
		return c.Program, true
	}
	if c.Target.Foreign() {
		return p, false
	}
	return window.BuiltinProgram(c.Target.Update, c.Shape.Window)
}

// DefaultLimit is the most bytes that the history and the buffers of a case
// may take together.
const DefaultLimit = 256 << 20

// Bytes is the memory of the case: the history of every token appended, and
// of those that snapshots hold and that a select or a restore moves, the cache's buffers
// with two temporaries for what a lowering materialises, and the longest chunk, of which the
// judge has a copy; for a program its buffers, four times over, and those of the programs
// beside it. -1 is more than any machine has.
func (c *Case) Bytes() int64 {
	if c.Engine != nil {
		return c.Engine.bytes()
	}
	rows, names := int64(0), int64(0)
	if p, ok := c.TheProgram(); ok {
		for _, b := range p.Buffers {
			rows += 4 * int64(b.Rows)
		}
		// Temporaries: no expression makes more rows than its text has room
		// for, times the rows it reads.
		for _, s := range p.Stmts {
			rows += 2 * exprRows(s.Src)
		}
	} else {
		longest, tokens := 0, int64(0)
		var taken map[int]bool // numbers of snapshots
		for i := range c.Ops {
			o := &c.Ops[i]
			if o.even() {
				rows, longest, tokens = rows+2*int64(o.N), max(longest, o.N), tokens+int64(o.N)
				continue
			}
			rows += o.Kind.Operation().Rows(o, c.Shape.Window)
			longest = max(longest, o.Tokens())
			tokens += int64(o.Tokens())
			switch o.Kind {
			case Snapshot: // the whole history, once for each number
				if !taken[o.N] {
					if taken == nil {
						taken = map[int]bool{}
					}
					taken[o.N] = true
					rows, names = rows+2*tokens, names+tokens
				}
			case Select, Restore: // which tokens were there
				names += tokens
			}
		}
		rows += 6*int64(c.Shape.Window) + 4*int64(longest)
	}
	if rows > min(1<<40, math.MaxInt) {
		return -1
	}
	s := c.Shape
	for i := range c.Ops { // chunks of another shape
		o := &c.Ops[i]
		if !o.Named() {
			continue
		}
		s.Batch, s.Heads, s.Dim = max(s.Batch, o.Batch, len(o.Each)), max(s.Heads, o.Heads), max(s.Dim, o.Dim)
		if o.DType == "F32" {
			s.DType = impls.F32
		}
	}
	n, beside := s.Bytes(int(rows)), c.besideBytes()
	if n < 0 || beside < 0 || names > 1<<40/int64(max(1, s.Batch)) {
		return -1
	}
	return n + beside + nameBytes*names*int64(s.Batch)
}

// nameBytes is what the history takes for each token of an entry to know it by.
const nameBytes = 8

// exprRows is the number of rows that the parts of e make, all together.
func exprRows(e inplace.Expr) int64 {
	if e.Op == inplace.OpView {
		return int64(len(e.Rows()))
	}
	n := int64(len(e.Index))
	for _, a := range e.Args {
		n += 2 * exprRows(a)
	}
	return min(n, 1<<40)
}

// OpError is an operation of a case, counted from 1, that has no meaning, and why.
type OpError struct {
	Op  int
	Err error
}

func (e *OpError) Error() string { return fmt.Sprintf("operation %d: %v", e.Op, e.Err) }

// Unwrap returns the error without the place.
func (e *OpError) Unwrap() error { return e.Err }

// Check reports the first thing in the case that has no meaning, or that takes
// more than limit bytes.
func (c *Case) Check(limit int64) error {
	if (c.Engine != nil) != (c.Target.Device == window.EngineDevice) {
		return fmt.Errorf("a case of an engine has a target engine/NAME and a model, not %s", c.Target)
	}
	if c.Engine != nil {
		return c.checkEngine(limit)
	}
	if err := c.Shape.Check(); err != nil {
		return err
	}
	if c.Block < 1 || c.Block > 1<<30 {
		return fmt.Errorf("block %d is outside 1..%d", c.Block, 1<<30)
	}
	if c.Target.Update == "program" {
		if len(c.Program.Buffers) == 0 {
			return fmt.Errorf("a program needs a buffer, as in: buffer x %d", c.Shape.Window)
		}
		if err := c.Program.Check(); err != nil {
			return err
		}
		if t := c.Shape.DType; c.Program.Adds() && t != impls.I32 && t != impls.F32 {
			return fmt.Errorf("a program with + has cells that add exactly: want dtype=I32 or dtype=F32, not %s", t)
		}
	} else if len(c.Program.Buffers)+len(c.Program.Stmts) > 0 {
		return fmt.Errorf("buffers and statements belong to a target program/…, not to %s", c.Target)
	}
	if err := c.checkBeside(limit); err != nil {
		return err
	}
	if c.Target.IsProgram() && len(c.Ops) > 0 {
		return fmt.Errorf("%s is a program: it runs once and takes no operations", c.Target)
	}
	for i := range c.Ops {
		o := &c.Ops[i]
		if o.even() && o.N >= 0 && o.N <= impls.MaxExtent {
			continue // as most are
		}
		if int(o.Kind) >= len(operations) {
			return &OpError{i + 1, fmt.Errorf("there is no kind %d", uint8(o.Kind))}
		}
		if err := o.Kind.Operation().Check(o, c.Shape); err != nil {
			return &OpError{i + 1, err}
		}
	}
	if c.Expect != nil && c.Expect.Rate.Of > 0 && !c.Native() {
		return fmt.Errorf("expect: a rate is for a device that orders the blocks itself; %s in the order %s has the same outcome each time", c.Target, c.Schedule)
	}
	if n := c.Bytes(); n < 0 || n > limit {
		return fmt.Errorf("history and buffers take %s, over the limit of %d MiB; --memory raises it", sizeText(n), limit>>20)
	}
	return nil
}

func sizeText(n int64) string {
	if n < 0 {
		return "more than a PiB"
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// Blocks is the number of blocks of a whole window, the measure by which a
// case has few of them.
func (c *Case) Blocks() int {
	if c.Block == 0 { // of an engine case
		return 0
	}
	rows := c.Shape.Window
	if c.Target.Update == "program" {
		rows = 0
		for _, b := range c.Program.Buffers {
			rows = max(rows, b.Rows)
		}
	}
	return (c.Shape.Lanes()*rows*c.Shape.Dim + c.Block - 1) / c.Block
}

// Compare orders cases by size: fewer programs beside it first, then fewer operations, then fewer tokens, a
// smaller window, fewer lanes, a smaller dim, smaller elements, fewer blocks,
// then the schedule. What is left is settled by the text, so that only equal
// cases compare as 0.
func Compare(a, b *Case) int {
	if a.Engine != nil && b.Engine != nil {
		return compareEngine(a, b)
	}
	if d := cmp.Compare(len(a.Beside), len(b.Beside)); d != 0 {
		return d
	}
	// These two settle most comparisons of a shrink.
	if d := cmp.Compare(len(a.Ops)+len(a.Program.Stmts), len(b.Ops)+len(b.Program.Stmts)); d != 0 {
		return d
	}
	if d := cmp.Compare(a.Rows(), b.Rows()); d != 0 {
		return d
	}
	for _, d := range [...]int{
		cmp.Compare(a.Shape.Window, b.Shape.Window),
		cmp.Compare(a.Shape.Lanes(), b.Shape.Lanes()),
		cmp.Compare(a.Shape.Batch, b.Shape.Batch),
		cmp.Compare(a.Shape.Dim, b.Shape.Dim),
		cmp.Compare(a.Shape.DType.Size(), b.Shape.DType.Size()),
		cmp.Compare(b.Shape.DType, a.Shape.DType), // of one size the plainest, U8
		cmp.Compare(a.Blocks(), b.Blocks()),
		cmp.Compare(len(a.Orders), len(b.Orders)),
		compareSchedules(a.Schedule, b.Schedule),
	} {
		if d != 0 {
			return d
		}
	}
	for _, d := range [...]int{
		cmp.Compare(a.Shape.Layout, b.Shape.Layout),
		cmp.Compare(a.Block, b.Block),
		cmp.Compare(a.weight(), b.weight()),
	} {
		if d != 0 {
			return d
		}
	}
	return cmp.Compare(string(a.format()), string(b.format()))
}

// Rows is the number of tokens that the case appends, or of the rows of its
// program's buffers.
func (c *Case) Rows() int {
	n := c.Tokens()
	for _, b := range c.Program.Buffers {
		n += b.Rows
	}
	return n
}

// weight counts what the measures above leave out: padding, odd shapes, the
// numbers of crops and snapshots, the nodes of expressions and how far up
// their rows lie.
func (c *Case) weight() int {
	n := 0
	for i := range c.Ops {
		o := &c.Ops[i]
		for _, p := range o.Pad {
			n += 1 + p
		}
		for _, e := range o.Each {
			n += 1 + e
		}
		n += o.Batch + o.Heads + o.Dim + len(o.DType) + o.N - o.Tokens()
	}
	for _, s := range c.Program.Stmts {
		n += s.Lo + exprWeight(s.Src)
		for _, i := range s.Index {
			n += i
		}
		for i, set := range s.Mask {
			if set {
				n += i
			}
		}
	}
	return n
}

func exprWeight(e inplace.Expr) int {
	n := 1 + len(e.Index) + e.Hi
	for _, a := range e.Args {
		n += exprWeight(a)
	}
	return n
}

// compareSchedules is lexicographic: ascending, then lists by length and by
// block, then what is no list.
func compareSchedules(a, b inplace.Schedule) int {
	if d := cmp.Compare(a.Kind, b.Kind); d != 0 {
		return d
	}
	if d := cmp.Compare(len(a.Blocks), len(b.Blocks)); d != 0 {
		return d
	}
	if d := slices.Compare(a.Blocks, b.Blocks); d != 0 {
		return d
	}
	return cmp.Compare(a.Seed, b.Seed)
}

package props

import (
	"bytes"
	"context"
	"fmt"
	"time"
	"unsafe"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/printable"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// Runner runs cases against the oracle. It remembers what it compiled and
// reuses its memory, so one runner for many cases is fast; it is not for use
// by two goroutines at once.
type Runner struct {
	// Limit is the most bytes that a case may take, 0 for
	// corpus.DefaultLimit. It is checked before anything is allocated.
	Limit int64
	// Timeout is how long a device of package gpu may take for one call, 0 for
	// gpu.DefaultTimeout.
	Timeout time.Duration
	// NativeRuns is how often a case is run that leaves the order to such a
	// device, 0 for 10.
	NativeRuns int
	// Worker runs the cases of targets worker/NAME and program/worker.
	Worker *worker.Client
	// ShrinkTime bounds the shrinking of one finding of a worker, 0 for
	// DefaultShrinkTime.
	ShrinkTime time.Duration
	// Without is what a worker's finding must not be shrunk to.
	Without []corpus.Feature

	caches  map[cacheKey]*window.WindowCache
	engines map[cacheKey]*window.Engine
	devices map[string]inplace.Device
	codes   map[codeKey]*oracle.Encoding
	orders  map[orderKey]*inplace.Orders

	workers []*Runner // who record cases for a device

	history *oracle.History
	saved   map[int]*oracle.History
	memory  [2][]byte       // of the chunks
	chunk   [2]impls.Tensor // the chunks that the cache was handed last
	zeros   []byte

	// What the case under way needs.
	c      *corpus.Case
	cache  subject
	window *window.WindowCache // the cache, where it is one of ours
	store  impls.Storer        // the cache, where it shows its buffers
	code   *oracle.Encoding
	op     int // index of the operation
	order  *inplace.Orders
	buffer [2]*byte // where the cache's buffers are
	judge  contract
	// refused is the operation, counted from 1, that was refused since rows
	// were judged last, 0 if none was: wrong rows are then its doing.
	refused int
}

type cacheKey struct {
	target window.Target
	shape  impls.Shape
	block  int
}

type codeKey struct {
	dtype              impls.DType
	batch, heads, dims int
}

type orderKey struct {
	kind inplace.ScheduleKind
	seed uint64
	list string
}

// maxRemembered bounds the caches and codes that a runner keeps. The shapes
// of the benchmark's mix are 384; a cache of theirs, with its compiled plans,
// holds about 100 KiB.
const maxRemembered = 2048

// maxKept bounds the buffer of a cache that is kept, in bytes: all of them
// together stay under the 256 MiB that one case may take.
const maxKept = 64 << 10

// NewRunner makes a runner.
func NewRunner() *Runner {
	return &Runner{
		caches:  map[cacheKey]*window.WindowCache{},
		engines: map[cacheKey]*window.Engine{},
		devices: map[string]inplace.Device{},
		codes:   map[codeKey]*oracle.Encoding{},
		orders:  map[orderKey]*inplace.Orders{},
		history: oracle.NewHistory(1, 1, 1),
		saved:   map[int]*oracle.History{},
	}
}

// Run runs a case. It returns nil where the target agrees with the oracle
// after every operation, else the first divergence. An error says that the
// case itself has no meaning, and names what to mend, or is that of the context.
func (r *Runner) Run(ctx context.Context, c *corpus.Case) (*corpus.Divergence, error) {
	if err := r.check(c); err != nil {
		return nil, err
	}
	if c.Target.Device == window.Worker {
		return r.runWorker(ctx, c)
	}
	if window.OnGPU(c.Target.Device) {
		d, err := r.RunAll(ctx, []*corpus.Case{c})
		if err != nil {
			return nil, err
		}
		return d[0], nil
	}
	device, err := r.device(c.Target.Device)
	if err != nil {
		return nil, err
	}
	r.c = c
	r.order = r.orderOf(c.Schedule)
	if p, ok := c.TheProgram(); ok {
		return r.runProgram(ctx, p, device)
	}
	cache, err := r.empty(c, device)
	if err != nil {
		return nil, err
	}
	if c.Schedule.Kind != inplace.Ascending && c.Schedule.Kind != inplace.Native || len(c.Orders) > 0 {
		cache.Order = r.blockOrder
	}
	r.window, r.store = cache, cache
	return r.runCache(ctx, goCache{cache}, single)
}

// check reports a case without meaning.
func (r *Runner) check(c *corpus.Case) error {
	limit := r.Limit
	if limit == 0 {
		limit = corpus.DefaultLimit
	}
	if err := c.Check(limit); err != nil {
		return err
	}
	if c.Target.Device == "sim" && c.Schedule.Kind == inplace.Native {
		return fmt.Errorf("schedule native on sim: sim needs an order; native is for devices with one of their own, as host")
	}
	return nil
}

// runCache runs the operations of a case on anyone's cache, which must be new;
// the caller has set window and store.
func (r *Runner) runCache(ctx context.Context, cache subject, judge contract) (*corpus.Divergence, error) {
	s := r.c.Shape
	code, err := r.encoding(s)
	if err != nil {
		return nil, err
	}
	r.cache, r.code, r.judge = cache, code, judge
	r.chunk = [2]impls.Tensor{}
	r.history.Resize(s.Lanes(), s.Window, s.RowBytes())
	clear(r.saved)
	r.buffer, r.refused = [2]*byte{}, 0
	if d := r.checkStored(); d != nil {
		return d, nil
	}
	for i := range r.c.Ops {
		r.op = i
		d := r.step(ctx, &r.c.Ops[i])
		if f := r.workerFault(); f != nil && r.isWorker() {
			d = f
		} else if err := ctx.Err(); err != nil {
			return nil, err // the operation may have been cut short
		}
		if d != nil {
			return d, nil
		}
	}
	return nil, nil
}

func (r *Runner) device(name string) (inplace.Device, error) {
	if d, ok := r.devices[name]; ok {
		return d, nil
	}
	d, err := inplace.NewDevice(name)
	if err == nil {
		r.devices[name] = d
	}
	return d, err
}

// empty is an empty cache for a case: a new one, or one that served an earlier
// case of the same shape. Large ones are not kept.
func (r *Runner) empty(c *corpus.Case, device inplace.Device) (*window.WindowCache, error) {
	key := cacheKey{c.Target, c.Shape, c.Block}
	if cache, ok := r.caches[key]; ok {
		cache.Renew()
		return cache, nil
	}
	e, err := r.engine(c)
	if err != nil {
		return nil, err
	}
	if len(r.caches) >= maxRemembered {
		clear(r.caches)
	}
	cache := e.NewCache(device)
	if c.Shape.Bytes(c.Shape.Window) <= maxKept {
		r.caches[key] = cache
	}
	return cache, nil
}

// engine compiles the programs of a case's target, shape and blocks.
func (r *Runner) engine(c *corpus.Case) (*window.Engine, error) {
	key := cacheKey{c.Target, c.Shape, c.Block}
	if e, ok := r.engines[key]; ok {
		return e, nil
	}
	e, err := window.NewEngine(c.Target, c.Shape, c.Block)
	if err != nil {
		return nil, err
	}
	if len(r.engines) >= maxRemembered {
		clear(r.engines)
	}
	r.engines[key] = e
	return e, nil
}

func (r *Runner) encoding(s impls.Shape) (*oracle.Encoding, error) {
	key := codeKey{s.DType, s.Batch, s.Heads, s.Dim}
	if e, ok := r.codes[key]; ok {
		return e, nil
	}
	e, err := oracle.NewEncoding(s.DType.String(), s.Batch, s.Heads, s.Dim)
	if err != nil {
		return nil, err
	}
	if len(r.codes) >= maxRemembered {
		clear(r.codes)
	}
	r.codes[key] = &e
	return &e, nil
}

func (r *Runner) orderOf(s inplace.Schedule) *inplace.Orders {
	key := orderKey{kind: s.Kind, seed: s.Seed}
	if s.Kind == inplace.List {
		key.list = s.String()
	}
	if o, ok := r.orders[key]; ok {
		return o
	}
	if len(r.orders) >= maxRemembered {
		clear(r.orders)
	}
	o := &inplace.Orders{Schedule: s}
	r.orders[key] = o
	return o
}

// blockOrder is the order that the case asks for: its schedule, unless an
// order line overrides it for this kernel.
func (r *Runner) blockOrder(tensor, kernel, blocks int) []int32 {
	return r.namedOrder(oracle.Tensor(tensor).String(), kernel, blocks)
}

func (r *Runner) namedOrder(tensor string, kernel, blocks int) []int32 {
	for _, o := range r.c.Orders {
		if o.Op == r.op+1 && o.Tensor == tensor && o.Kernel == kernel {
			return o.Schedule.Order(blocks)
		}
	}
	return r.order.Of(blocks)
}

// step does one operation and judges it.
func (r *Runner) step(ctx context.Context, o *corpus.Op) (d *corpus.Divergence) {
	defer func() {
		if p := recover(); p != nil {
			d = r.fault(corpus.FaultPanic, "-", fmt.Sprint(p))
		}
	}()
	switch o.Kind {
	case corpus.Append:
		return r.append(ctx, o)
	case corpus.Reset:
		r.cache.reset(ctx)
		r.history.Reset()
		r.refused = 0
		r.buffer = [2]*byte{}
	case corpus.Crop:
		if r.cache.crop(ctx, o.N) != nil {
			return r.unchanged()
		}
		if n := r.history.Len(); o.N < n {
			r.history.Crop(o.N)
		}
	case corpus.Snapshot:
		if r.cache.snapshot(ctx, o.N) == nil {
			r.saved[o.N] = r.history.Snapshot()
		}
	case corpus.Restore:
		s, known := r.saved[o.N]
		switch err := r.cache.restore(ctx, o.N); {
		case known && err != nil:
			return r.fault(corpus.FaultRefused, "-", fmt.Sprintf("snapshot %d was taken, and is refused: %v", o.N, err))
		case !known && err == nil:
			return r.fault(corpus.FaultAccepted, "-", fmt.Sprintf("snapshot %d was never taken, and is restored", o.N))
		case known:
			r.history.Restore(s)
		}
	}
	return r.checkStored()
}

// append hands the cache a chunk of tokens that name their origin, and judges
// what it returns and stores.
func (r *Runner) append(ctx context.Context, o *corpus.Op) *corpus.Divergence {
	s := r.c.Shape
	if o.Odd(s) {
		return r.appendOdd(ctx, o)
	}
	n, q := r.history.Len(), o.N
	chunk := &r.chunk
	for i := range chunk {
		x, t := &chunk[i], oracle.Tensor(i)
		if x.Rows != q || x.Data == nil {
			r.memory[i] = grow(r.memory[i], s.Lanes()*q*s.RowBytes())
			*x = impls.TensorOver(s, q, r.memory[i])
		}
		r.fill(x, t, n, o.Pad)
		for lane := range x.Lanes() {
			if s.Layout == impls.HeadsFirst {
				r.history.AppendLane(t, lane, x.Data[lane*x.LaneStride:(lane+1)*x.LaneStride])
				continue
			}
			for row := range q {
				r.history.AppendLane(t, lane, x.Row(lane, row))
			}
		}
	}
	r.history.Advance(q)
	keys, values, err := r.cache.update(ctx, chunk[0], chunk[1])
	for t := range chunk {
		if !r.holds(&chunk[t], oracle.Tensor(t), n, n+q) {
			return r.fault(corpus.FaultCaller, oracle.Tensor(t).String(), "the update changed the caller's own tensor")
		}
	}
	refuse := r.judge == single && (q == 0 || q > 1 && q <= s.Window && n+q > s.Window)
	switch {
	case err != nil && !refuse:
		return r.fault(corpus.FaultRefused, "-", fmt.Sprintf("%d rows after %d in a window of %d: %v", q, n, s.Window, err))
	case err == nil && refuse:
		return r.fault(corpus.FaultAccepted, "-", fmt.Sprintf("%d rows after %d in a window of %d, which the contract refuses", q, n, s.Window))
	case err != nil:
		r.history.Crop(n)
		return r.unchanged()
	}
	returned := [2]*impls.Tensor{&keys, &values}
	if d := r.checkReturned(returned, n, q); d != nil {
		return r.changed(d)
	}
	r.refused = 0
	if r.judge == single && q <= s.Window {
		// What is returned is the buffer itself, which has just been judged.
		if r.store != nil {
			k, v := r.store.Stored()
			if at(&k) != at(&keys) || at(&v) != at(&values) {
				return r.fault(corpus.FaultMoved, "-", "update returned a copy, not its buffer")
			}
			return r.checkMoved(&k, &v)
		}
		return nil
	}
	return r.checkStored()
}

// appendOdd hands the cache a chunk of another shape, which it must refuse.
func (r *Runner) appendOdd(ctx context.Context, o *corpus.Op) *corpus.Divergence {
	s := o.Shape(r.c.Shape)
	code, err := r.encoding(s)
	if err != nil {
		return r.fault(corpus.FaultShape, "-", err.Error())
	}
	own := r.code
	r.code = code
	var chunk [2]impls.Tensor
	for t := range chunk {
		chunk[t] = impls.NewTensor(s, o.N)
		r.fill(&chunk[t], oracle.Tensor(t), r.history.Len(), nil)
	}
	r.code = own
	if _, _, err := r.cache.update(ctx, chunk[0], chunk[1]); err == nil {
		return r.fault(corpus.FaultAccepted, "-", fmt.Sprintf("a chunk [%d, %d, %d, %d] of %s in a cache [%d, %d, rows, %d] of %s",
			s.Batch, s.Heads, o.N, s.Dim, s.DType, r.c.Shape.Batch, r.c.Shape.Heads, r.c.Shape.Dim, r.c.Shape.DType))
	}
	return r.unchanged()
}

// unchanged judges the cache after a refusal: now where it shows its buffers,
// else by the rows that it returns next.
func (r *Runner) unchanged() *corpus.Divergence {
	r.refused = r.op + 1
	d := r.changed(r.checkStored())
	if r.store != nil {
		r.refused = 0
	}
	return d
}

// isWorker reports whether the cache is that of a worker.
func (r *Runner) isWorker() bool {
	_, ok := r.cache.(workerCache)
	return ok
}

// changed turns what is wrong after a refusal into a fault of its own. A worker
// is asked again before it is blamed: see runWorker.
func (r *Runner) changed(d *corpus.Divergence) *corpus.Divergence {
	if d == nil || r.refused == 0 || r.isWorker() || d.Fault != corpus.FaultRows && d.Fault != corpus.FaultShape {
		return d
	}
	return blame(d, r.refused)
}

// blame says that the operation that was refused changed the cache.
func blame(d *corpus.Divergence, refused int) *corpus.Divergence {
	which := "a refused update"
	if refused != d.Op {
		which = fmt.Sprintf("the update that was refused at op %d", refused)
	}
	d.Detail = which + " changed the cache: " + d.String()
	d.Fault, d.Race = corpus.FaultChanged, nil
	return d
}

// fill writes the rows of tokens n, n+1, … into a chunk.
func (r *Runner) fill(chunk *impls.Tensor, t oracle.Tensor, n int, pad []int) {
	for lane := range chunk.Lanes() {
		at := lane * chunk.LaneStride
		for i := range chunk.Rows {
			position := n + i
			if pad != nil && i < pad[lane/chunk.Heads] {
				position = -1
			}
			r.code.PutRow(chunk.Data[at:], t, lane, position)
			at += chunk.RowStride
		}
	}
}

// holds reports whether a tensor holds tokens lo to hi-1 and nothing else.
func (r *Runner) holds(x *impls.Tensor, t oracle.Tensor, lo, hi int) bool {
	for lane := range x.Lanes() {
		if !sameRows(x, lane, 0, r.history.Rows(t, lane, lo, hi)) {
			return false
		}
	}
	return true
}

// sameRows compares rows from row on of one lane with want, row for row.
func sameRows(x *impls.Tensor, lane, row int, want []byte) bool {
	size := x.RowBytes()
	if x.RowStride == size {
		from := lane*x.LaneStride + row*size
		return bytes.Equal(x.Data[from:from+len(want)], want)
	}
	at := lane*x.LaneStride + row*x.RowStride
	for len(want) > 0 {
		if !bytes.Equal(x.Data[at:at+size], want[:size]) {
			return false
		}
		at, want = at+x.RowStride, want[size:]
	}
	return true
}

// checkReturned judges the rows that update returned for q tokens after n.
func (r *Runner) checkReturned(returned [2]*impls.Tensor, n, q int) *corpus.Divergence {
	s := r.c.Shape
	for i, x := range returned {
		t := oracle.Tensor(i)
		if x.Batch != s.Batch || x.Heads != s.Heads || x.Dim != s.Dim || x.DType != s.DType {
			return r.fault(corpus.FaultShape, t.String(), fmt.Sprintf("returned [%d, %d, %d, %d] of %s", x.Batch, x.Heads, x.Rows, x.Dim, x.DType))
		}
		if r.judge == chunks {
			if d := r.checkVisible(x, t, n, q); d != nil {
				return d
			}
			continue
		}
		want := s.Window
		if q > s.Window {
			want = q
		}
		if x.Rows != want {
			return r.fault(corpus.FaultShape, t.String(), fmt.Sprintf("returned %d rows, expected %d", x.Rows, want))
		}
		if q > s.Window {
			if d := r.checkRows(x, t, "returned", 0, n, n+q, false); d != nil {
				return d
			}
		} else if d := r.checkWindow(x, t, "returned"); d != nil {
			return d
		}
	}
	return nil
}

// checkStored judges the buffers of a cache that shows them.
func (r *Runner) checkStored() *corpus.Divergence {
	if r.store == nil {
		return nil
	}
	k, v := r.store.Stored()
	for i, x := range [...]*impls.Tensor{&k, &v} {
		if d := r.checkWindow(x, oracle.Tensor(i), "stored"); d != nil {
			return d
		}
	}
	return r.checkMoved(&k, &v)
}

func (r *Runner) checkMoved(k, v *impls.Tensor) *corpus.Divergence {
	for i, x := range [...]*impls.Tensor{k, v} {
		p := at(x)
		if r.buffer[i] != nil && r.buffer[i] != p {
			return r.fault(corpus.FaultMoved, oracle.Tensor(i).String(), "the buffer has another address than before")
		}
		r.buffer[i] = p
	}
	return nil
}

func at(x *impls.Tensor) *byte { return unsafe.SliceData(x.Data) }

// checkWindow judges a whole buffer: live rows first, oldest first, the rest
// zero.
func (r *Runner) checkWindow(x *impls.Tensor, t oracle.Tensor, where string) *corpus.Divergence {
	n := r.history.Len()
	return r.checkRows(x, t, where, 0, max(0, n-r.c.Shape.Window), n, true)
}

// checkRows judges rows from row on: tokens lo to hi-1, and with rest zeros
// after them.
func (r *Runner) checkRows(x *impls.Tensor, t oracle.Tensor, where string, row, lo, hi int, rest bool) *corpus.Divergence {
	empty := 0
	if rest {
		empty = (x.Rows - row - (hi - lo)) * x.RowBytes()
		r.zeros = grow(r.zeros, empty)
	}
	for lane := range x.Lanes() {
		if !sameRows(x, lane, row, r.history.Rows(t, lane, lo, hi)) || rest && !sameRows(x, lane, row+hi-lo, r.zeros[:empty]) {
			return r.rowFault(x, t, where, row, lo, hi, rest)
		}
	}
	return nil
}

// rowFault finds the first wrong cell and says what it holds.
func (r *Runner) rowFault(x *impls.Tensor, t oracle.Tensor, where string, row, lo, hi int, rest bool) *corpus.Divergence {
	d := r.fault(corpus.FaultRows, t.String(), "")
	d.Where = where
	size := x.DType.Size()
	end := row + hi - lo
	if rest {
		end = x.Rows
	}
	zero := make([]byte, x.RowBytes())
	for lane := range x.Lanes() {
		for i := row; i < end; i++ {
			want, token := zero, lo+i-row
			if token < hi {
				want = r.history.Rows(t, lane, token, token+1)
			}
			got := x.Row(lane, i)
			for e := 0; e < x.Dim; e++ {
				if bytes.Equal(got[e*size:(e+1)*size], want[e*size:(e+1)*size]) {
					continue
				}
				if d.Wrong == 0 {
					d.Lane, d.Row, d.Elem = lane, i, e
					d.Got = r.history.Describe(got, size, t, lane)
					d.Want = "nothing (zeros)"
					if token < hi {
						d.Want = r.history.Describe(want, size, t, lane)
					}
				}
				d.Wrong++
			}
		}
	}
	if r.window != nil {
		r.explain(d, t, r.window.LastPlan())
	}
	return d
}

func (r *Runner) fault(f corpus.Fault, tensor, detail string) *corpus.Divergence {
	kind := "start"
	if len(r.c.Ops) > 0 {
		kind = r.c.Ops[r.op].Kind.String()
	}
	return &corpus.Divergence{Op: r.op + 1, OpKind: kind, Tensor: tensor, Fault: f, Detail: printable.Line(detail)}
}

// explain looks for the hazard behind a wrong cell among the kernels of the
// plan that ran, if one did.
func (r *Runner) explain(d *corpus.Divergence, t oracle.Tensor, plan *inplace.Plan) {
	if plan == nil {
		return
	}
	names := storageNames(plan, t.String(), window.ChunkBuffer)
	for i := range plan.Kernels {
		r.attach(d, plan, i, i, 0, names, func(blocks int) []int32 { return r.blockOrder(int(t), i, blocks) })
	}
}

// attach gives a divergence the hazard of a kernel: the one that computes the
// wrong cell, else the first one found.
func (r *Runner) attach(d *corpus.Divergence, plan *inplace.Plan, kernel, index, storage int, names []string, order func(int) []int32) {
	k := plan.Kernels[kernel]
	wrong := plan.Offset(storage, d.Lane, d.Row, d.Elem)
	exact := false
	k.Hazards(func(h inplace.Hazard) bool {
		dst, off := k.Destination(h.At)
		hit := dst == storage && off == wrong
		if d.Race == nil || hit && !exact {
			d.Race = &corpus.Race{Hazard: h, Kernel: k, Index: index, Plan: plan, Order: order(k.Blocks()), Names: names}
			d.Race.Lane, d.Race.HazardRow, d.Race.Elem = plan.Cell(h.Storage, h.Offset)
		}
		exact = exact || hit
		return !exact
	})
}

func storageNames(p *inplace.Plan, first ...string) []string {
	names := append([]string(nil), first...)
	for i := len(names); i < len(p.Rows); i++ {
		names = append(names, fmt.Sprintf("temporary %d", i-len(first)+1))
	}
	return names
}

// grow makes b n bytes long; what it held is of no interest.
func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

package judge

import (
	"context"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// Subject is the cache under test as the judge asks it. It is not asked what it
// cannot do. An error that a call returns after its context has ended means nothing.
type Subject interface {
	// Can says what the cache can do beside Update and Reset.
	Can(corpus.Capability) bool
	// Update is handed and returns tensors by reference: those returned hold until the next
	// call, and are of no interest with an error.
	Update(ctx context.Context, keys, values *impls.Tensor) (k, v *impls.Tensor, err error)
	// UpdateEach is as impls.RaggedUpdater's, and UpdateLayer as impls.Layered's: it
	// is asked instead of Update where Layers has any.
	UpdateEach(ctx context.Context, keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error)
	UpdateLayer(ctx context.Context, layer int, keys, values impls.Tensor) (k, v impls.Tensor, err error)
	Layers() []int
	Reset(ctx context.Context)
	Crop(ctx context.Context, n int) error
	CropEach(ctx context.Context, lengths []int) error
	Select(ctx context.Context, entries []int) error
	Snapshot(ctx context.Context, id int) error
	Restore(ctx context.Context, id int) error
	Positions() [][]int  // as impls.Positioner
	Visible() [][][]bool // as impls.Masker
	Sinks() int          // as impls.Sinker
	// Stored shows the buffers, as impls.Storer; ok is false for a cache that
	// does not.
	Stored() (keys, values *impls.Tensor, ok bool)
	// LastPlan is what the last Update ran, nil where nobody knows: storage 0 is
	// the cache, 1 the chunk, the others are temporaries.
	LastPlan() *inplace.Plan
	// Failed is what ended the cache's process, if it has one and that is so,
	// instead of an answer to the last call.
	Failed() (f corpus.Fault, detail string)
}

// Judge runs cases on caches and judges what they do. It remembers what it has
// computed and reuses its memory, so one judge for many cases is fast; it is not
// for use by two goroutines at once.
type Judge struct {
	codes  map[codeKey]*code
	orders map[orderKey]*inplace.Orders
	// ascending is the order of most cases.
	ascending inplace.Orders

	layers  []*oracle.History         // of a cache without layers one
	layered bool                      // whether the cache says that it has some
	history *oracle.History           // of the layer that is asked or judged
	saved   map[int][]*oracle.History // by layer
	memory  [2][]byte                 // of the chunks
	handing [2][]byte                 // what was in them when they were handed over, in memory
	copied  [2][]byte                 // that no cache sees: a copy, or the code's
	chunk   [2]impls.Tensor           // the chunks that the cache was handed last
	got     [2]*impls.Tensor          // what it returned then
	each    [2]impls.Tensor           // that of an update for entries or a layer
	lists   [][]int                   // the positions that it said then
	masks   [][][]bool                // and what is visible
	serial  int                       // of its first token
	handed  bool                      // whether the operation under way handed it one
	fault   *corpus.Divergence        // of what the operation under way asked
	zeros   []byte
	counts  [corpus.Kinds]Count
	said    []corpus.Said // what the cache said to each operation of the case

	// What the case under way needs.
	c        *corpus.Case
	cache    Subject
	rows     Rows
	contract oracle.Contract
	limits   Limits
	code     *code
	op       int // index of the operation
	order    *inplace.Orders
	buffer   [2]*byte // where the cache's buffers are
	// refused is the operation, counted from 1, that was refused since rows
	// were judged last, 0 if none was: wrong rows are then its doing.
	refused int
	// cropped is whether a crop was accepted in the case: see live.
	cropped bool
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

// maxRemembered bounds the codes and orders that a judge keeps: the shapes of
// the benchmark's mix are 384.
const maxRemembered = 2048

// maxCells bounds the lanes × dim of a code that is kept, which takes 8 bytes for
// each: with maxRemembered of them some 8 MiB, small shapes having up to 24.
const maxCells = 512

// New makes a judge.
func New() *Judge {
	return &Judge{
		codes:  map[codeKey]*code{},
		orders: map[orderKey]*inplace.Orders{},
		saved:  map[int][]*oracle.History{},
	}
}

// Counts is what became of the operations of all cases so far, by their name. What
// none was asked is left out.
func (j *Judge) Counts() map[string]Count {
	all := map[string]Count{}
	for k, n := range j.counts {
		if n != (Count{}) {
			all[corpus.OpKind(k).String()] = n
		}
	}
	return all
}

// Begin takes up a case, so that BlockOrder is that of the case.
func (j *Judge) Begin(c *corpus.Case) {
	j.c, j.op, j.order, j.refused, j.cropped = c, 0, j.orderOf(c.Schedule), 0, false
	j.said = j.said[:0]
}

// Cache runs the operations of a case on a cache, which must be new. It returns
// nil where the cache agrees with the oracle after every operation, else the
// first divergence. An error is that of the context, or says that the case has
// no meaning.
func (j *Judge) Cache(ctx context.Context, c *corpus.Case, cache Subject, contract oracle.Contract) (*corpus.Divergence, error) {
	j.Begin(c)
	if err := j.tokens(cache); err != nil {
		return nil, err
	}
	return j.walk(ctx, cache, contract, compared{j})
}

// tokens makes the histories those of the cells of tokens in the cache of the case.
func (j *Judge) tokens(cache Subject) error {
	s, windows := j.c.Shape, cache.Layers()
	if j.layered = len(windows) > 0; !j.layered {
		windows = []int{s.Window}
	}
	batch := s.Batch
	if cache.Can(corpus.CanSelect) {
		batch = j.c.MaxBatch()
	}
	of := s
	of.Batch = batch * len(windows)
	code, err := j.codeOf(of)
	if err != nil {
		return err
	}
	code.use()
	j.code, j.chunk = code, [2]impls.Tensor{}
	j.resize(len(windows))
	for l, h := range j.layers {
		w := windows[l]
		if w == 0 {
			w = impls.MaxExtent // it sees all tokens
		}
		h.Resize(s.Batch, s.Heads, w, s.RowBytes())
		h.Encode(&code.Encoding, l*batch)
	}
	return nil
}

// resize makes so many histories.
func (j *Judge) resize(layers int) {
	for len(j.layers) < layers {
		j.layers = append(j.layers, oracle.NewHistory(1, 1, 1, 1))
	}
	j.layers = j.layers[:layers]
	j.history = j.layers[0]
}

// now is the shape with the batch of the moment.
func (j *Judge) now() impls.Shape {
	s := j.c.Shape
	s.Batch = j.history.Batch()
	return s
}

// Walk does the operations of a case on a cache as Cache does, but for what
// becomes of rows, whose history has one lane for each batch entry and so many bytes
// a row.
func (j *Judge) Walk(ctx context.Context, c *corpus.Case, cache Subject, contract oracle.Contract, rows Rows, rowBytes int) (*corpus.Divergence, error) {
	j.Begin(c)
	j.layered = false
	j.resize(1)
	j.history.Resize(c.Shape.Batch, 1, c.Shape.Window, rowBytes)
	return j.walk(ctx, cache, contract, rows)
}

// History is that of the case under way, for whoever implements Rows.
func (j *Judge) History() *oracle.History { return j.history }

// SetOp says which operation or statement is under way, where it is not this judge
// that does them.
func (j *Judge) SetOp(i int) { j.op = i }

// Op is the index of the operation under way.
func (j *Judge) Op() int { return j.op }

// walk does the operations of the case under way.
func (j *Judge) walk(ctx context.Context, cache Subject, contract oracle.Contract, rows Rows) (*corpus.Divergence, error) {
	j.cache, j.contract, j.rows = cache, contract, rows
	clear(j.saved)
	j.buffer = [2]*byte{}
	if d := rows.Buffers(); d != nil {
		return d, nil
	}
	for i := range j.c.Ops {
		j.op = i
		d := j.step(ctx, &j.c.Ops[i])
		if f, detail := cache.Failed(); f != "" {
			d = j.Fault(f, "-", detail)
		} else if err := ctx.Err(); err != nil {
			return nil, err // the operation may have been cut short
		}
		if d != nil {
			return d, nil
		}
	}
	return nil, nil
}

// Encoding is what cells hold in caches of a shape.
func (j *Judge) Encoding(s impls.Shape) (*oracle.Encoding, error) {
	c, err := j.codeOf(s)
	if err != nil {
		return nil, err
	}
	return &c.Encoding, nil
}

// codeOf is Encoding, with its tape.
func (j *Judge) codeOf(s impls.Shape) (*code, error) {
	if j.code != nil && j.code.of(s) {
		return j.code, nil
	}
	key := codeKey{s.DType, s.Batch, s.Heads, s.Dim}
	if e, ok := j.codes[key]; ok {
		return e, nil
	}
	e, err := newCode(s)
	if err != nil {
		return nil, err
	}
	if len(j.codes) >= maxRemembered {
		clear(j.codes)
	}
	if s.Lanes()*s.Dim <= maxCells {
		j.codes[key] = e
	}
	return e, nil
}

func (j *Judge) orderOf(s inplace.Schedule) *inplace.Orders {
	if s.Kind == inplace.Ascending {
		return &j.ascending
	}
	key := orderKey{kind: s.Kind, seed: s.Seed}
	if s.Kind == inplace.List {
		key.list = s.String()
	}
	if o, ok := j.orders[key]; ok {
		return o
	}
	if len(j.orders) >= maxRemembered {
		clear(j.orders)
	}
	o := &inplace.Orders{Schedule: s}
	j.orders[key] = o
	return o
}

// BlockOrder is the order that the case under way asks for of the blocks of a
// kernel of the operation under way: its schedule, unless an order line overrides
// it for this kernel. tensor is 0 for keys and 1 for values, nil is ascending.
func (j *Judge) BlockOrder(tensor, kernel, blocks int) []int32 {
	return j.ProgramOrder(oracle.Tensor(tensor).String(), kernel, blocks)
}

// ProgramOrder is BlockOrder for a program, whose buffers have names.
func (j *Judge) ProgramOrder(tensor string, kernel, blocks int) []int32 {
	for _, o := range j.c.Orders {
		if o.Op == j.op+1 && o.Tensor == tensor && o.Kernel == kernel {
			return o.Schedule.Order(blocks)
		}
	}
	return j.order.Of(blocks)
}

package judge

import (
	"context"
	"errors"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// ErrCannot is what a Subject refuses with that was never asked, since it cannot
// do such a thing at all: no such refusal changes it.
var ErrCannot = errors.New("this cache cannot do that")

// Subject is the cache under test as the judge asks it. What a cache cannot do
// it refuses, with ErrCannot where that is known. An error that a call returns
// after its context has ended means nothing.
type Subject interface {
	Update(ctx context.Context, keys, values impls.Tensor) (k, v impls.Tensor, err error)
	Reset(ctx context.Context)
	Crop(ctx context.Context, n int) error
	Snapshot(ctx context.Context, id int) error
	Restore(ctx context.Context, id int) error
	Positions() [][]int // as impls.Positioner
	Sinks() int         // as impls.Sinker
	// Stored shows the buffers, as impls.Storer; ok is false for a cache that
	// does not.
	Stored() (keys, values impls.Tensor, ok bool)
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
	codes  map[codeKey]*oracle.Encoding
	orders map[orderKey]*inplace.Orders

	history *oracle.History
	saved   map[int]*oracle.History
	memory  [2][]byte          // of the chunks
	chunk   [2]impls.Tensor    // the chunks that the cache was handed last
	got     [2]impls.Tensor    // what it returned then
	handed  bool               // whether the operation under way handed it one
	fault   *corpus.Divergence // of what the operation under way asked
	zeros   []byte

	// What the case under way needs.
	c        *corpus.Case
	cache    Subject
	rows     Rows
	contract oracle.Contract
	limits   Limits
	code     *oracle.Encoding
	op       int // index of the operation
	order    *inplace.Orders
	buffer   [2]*byte // where the cache's buffers are
	// refused is the operation, counted from 1, that was refused since rows
	// were judged last, 0 if none was: wrong rows are then its doing.
	refused int
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

// New makes a judge.
func New() *Judge {
	return &Judge{
		codes:   map[codeKey]*oracle.Encoding{},
		orders:  map[orderKey]*inplace.Orders{},
		history: oracle.NewHistory(1, 1, 1),
		saved:   map[int]*oracle.History{},
	}
}

// Begin takes up a case, so that BlockOrder is that of the case.
func (j *Judge) Begin(c *corpus.Case) { j.c, j.op, j.order, j.refused = c, 0, j.orderOf(c.Schedule), 0 }

// Cache runs the operations of a case on a cache, which must be new. It returns
// nil where the cache agrees with the oracle after every operation, else the
// first divergence. An error is that of the context, or says that the case has
// no meaning.
func (j *Judge) Cache(ctx context.Context, c *corpus.Case, cache Subject, contract oracle.Contract) (*corpus.Divergence, error) {
	j.Begin(c)
	if err := j.tokens(c.Shape); err != nil {
		return nil, err
	}
	return j.walk(ctx, cache, contract, compared{j})
}

// tokens makes the history one of the cells of tokens in a cache of a shape.
func (j *Judge) tokens(s impls.Shape) error {
	code, err := j.Encoding(s)
	if err != nil {
		return err
	}
	j.code, j.chunk = code, [2]impls.Tensor{}
	j.history.Resize(s.Lanes(), s.Window, s.RowBytes())
	return nil
}

// Walk does the operations of a case on a cache as Cache does, but for what
// becomes of rows, whose history has so many lanes and bytes a row.
func (j *Judge) Walk(ctx context.Context, c *corpus.Case, cache Subject, contract oracle.Contract, rows Rows, lanes, rowBytes int) (*corpus.Divergence, error) {
	j.Begin(c)
	j.history.Resize(lanes, c.Shape.Window, rowBytes)
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
	key := codeKey{s.DType, s.Batch, s.Heads, s.Dim}
	if e, ok := j.codes[key]; ok {
		return e, nil
	}
	e, err := oracle.NewEncoding(s.DType.String(), s.Batch, s.Heads, s.Dim)
	if err != nil {
		return nil, err
	}
	if len(j.codes) >= maxRemembered {
		clear(j.codes)
	}
	j.codes[key] = &e
	return &e, nil
}

func (j *Judge) orderOf(s inplace.Schedule) *inplace.Orders {
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

package judge

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/printable"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// Rows is what becomes of rows while a case is walked through: they are compared
// with the history, or noted for a device that has them, or left alone.
type Rows interface {
	// Chunk makes the chunk of an append, of tokens whose serials begin at serial,
	// and brings their rows into the history, where they count once the cache has
	// accepted them.
	Chunk(o *corpus.Op, serial int) (keys, values *impls.Tensor)
	// Mismatched makes a chunk of another shape or type than the cache's.
	Mismatched(o *corpus.Op, serial int) (keys, values impls.Tensor, err error)
	// Caller judges the tensors that the caller has handed over.
	Caller(o *corpus.Op) *corpus.Divergence
	// Returned judges what an update returned and stored, its tokens being in the
	// history.
	Returned(k, v *impls.Tensor, o *corpus.Op) *corpus.Divergence
	// Buffers judges those of a cache that shows them; Unchanged does so
	// after a refusal, and says then that the cache was changed.
	Buffers() *corpus.Divergence
	Unchanged() *corpus.Divergence
}

// step does one operation and judges it. What a cache cannot do it is not asked.
func (j *Judge) step(ctx context.Context, o *corpus.Op) (d *corpus.Divergence) {
	defer func() {
		if p := recover(); p != nil {
			d = j.panicked(p)
		}
	}()
	x := o.Kind.Operation()
	if need := x.Capability(o); need != "" && !j.cache.Can(need) {
		j.said = append(j.said, corpus.NotAsked)
		return nil
	}
	for _, h := range j.layers {
		h.At(j.op + 1)
	}
	must := x.Answer(o, j.c.Shape, state{j}, promise{j})
	j.handed, j.fault = false, nil
	err := x.Ask(ctx, o, asked{j})
	count := &j.counts[o.Kind]
	if err != nil {
		count.Refused++
		j.said = append(j.said, corpus.Refused)
	} else {
		count.Accepted++
		j.said = append(j.said, corpus.Accepted)
	}
	switch {
	case j.fault != nil:
		return j.fault
	case err != nil && must == corpus.MustAccept:
		return j.Fault(corpus.FaultRefused, "-", x.WrongAnswer(o, j.c.Shape, state{j}, err))
	case err == nil && must == corpus.MustRefuse:
		detail := x.WrongAnswer(o, j.c.Shape, state{j}, nil)
		if x.Answer(o, j.c.Shape, state{j}, j.contract) != corpus.MustRefuse {
			detail += j.limits.text()
		}
		return j.Fault(corpus.FaultAccepted, "-", detail)
	case err != nil && x.Blamed():
		return j.rows.Unchanged()
	case err != nil:
		return j.rows.Buffers()
	}
	x.Effect(o, state{j})
	if j.handed {
		return j.rows.Returned(j.got[0], j.got[1], o)
	}
	return j.rows.Buffers()
}

// asked hands operations the cache under test.
type asked struct{ j *Judge }

func (a asked) Reset(ctx context.Context)                  { a.j.cache.Reset(ctx) }
func (a asked) Crop(ctx context.Context, n int) error      { return a.j.cache.Crop(ctx, n) }
func (a asked) Snapshot(ctx context.Context, id int) error { return a.j.cache.Snapshot(ctx, id) }
func (a asked) Restore(ctx context.Context, id int) error  { return a.j.cache.Restore(ctx, id) }

// CropEach and Select hand over a list that the cache may do with as it likes.
func (a asked) CropEach(ctx context.Context, lengths []int) error {
	return a.j.cache.CropEach(ctx, slices.Clone(lengths))
}

func (a asked) Select(ctx context.Context, entries []int) error {
	return a.j.cache.Select(ctx, slices.Clone(entries))
}

// Update hands the cache a chunk of tokens that name their origin, and judges what
// became of the caller's tensors. The judge keeps what is returned, so that an
// append allocates nothing.
func (a asked) Update(ctx context.Context, o *corpus.Op) error {
	j := a.j
	serial := 0
	for _, h := range j.layers {
		serial = h.Serial(o.N) // the same in all
	}
	if o.Named() && o.Mismatched(j.now()) {
		k, v, err := j.rows.Mismatched(o, serial)
		if err != nil {
			j.fault = j.Fault(corpus.FaultShape, "-", err.Error())
			return nil
		}
		if _, _, err = j.update(ctx, o, 0, &k, &v); err != nil {
			j.refuse(serial, o.N)
		}
		return err
	}
	if j.layered {
		return j.updateLayers(ctx, o, serial)
	}
	k, v := j.rows.Chunk(o, serial)
	j.handed, j.serial = true, serial
	var err error
	j.got[0], j.got[1], err = j.update(ctx, o, 0, k, v)
	j.fault = j.rows.Caller(o)
	if err != nil {
		j.refuse(serial, o.N)
	}
	return err
}

// update asks a layer, where there are any.
func (j *Judge) update(ctx context.Context, o *corpus.Op, layer int, keys, values *impls.Tensor) (k, v *impls.Tensor, err error) {
	switch {
	case j.layered:
		j.each[0], j.each[1], err = j.cache.UpdateLayer(ctx, layer, *keys, *values)
	case o.Each != nil:
		j.each[0], j.each[1], err = j.cache.UpdateEach(ctx, *keys, *values, slices.Clone(o.Each))
	default:
		return j.cache.Update(ctx, keys, values)
	}
	return &j.each[0], &j.each[1], err
}

// updateLayers hands each layer a chunk of its own, and judges what it returns
// before the next one is asked.
func (j *Judge) updateLayers(ctx context.Context, o *corpus.Op, serial int) error {
	defer func() { j.history = j.layers[0] }()
	for l, h := range j.layers {
		j.history = h
		k, v := j.rows.Chunk(o, serial)
		k, v, err := j.update(ctx, o, l, k, v)
		switch j.fault = j.rows.Caller(o); {
		case j.fault != nil:
			return nil
		case err != nil && l > 0:
			j.fault = j.Fault(corpus.FaultRefused, "-", fmt.Sprintf("layer %d refuses what layer 0 has taken: %v", l, err))
			return nil
		case err != nil:
			j.refuse(serial, o.N)
			return err
		}
		j.advance(h, o, serial)
		if j.fault = j.rows.Returned(k, v, o); j.fault != nil {
			return nil
		}
	}
	return nil
}

func (j *Judge) refuse(serial, q int) {
	for _, h := range j.layers {
		h.Refuse(serial, q)
	}
}

func (j *Judge) advance(h *oracle.History, o *corpus.Op, serial int) {
	for b := range h.Batch() {
		h.Advance(b, serial, o.N, o.Of(b), o.PadOf(b))
	}
}

// state is the histories, as operations change them.
type state struct{ j *Judge }

func (s state) Batch() int        { return s.j.layers[0].Batch() }
func (s state) Len(entry int) int { return s.j.layers[0].Len(entry) }

// Append is done by then for a cache with layers.
func (s state) Append(o *corpus.Op) {
	if !s.j.layered {
		s.j.advance(s.j.history, o, s.j.serial)
	}
}

func (s state) Crop(entry, n int) {
	s.j.cropped = true
	for _, h := range s.j.layers {
		h.Crop(entry, n)
	}
}

func (s state) Select(entries []int) {
	s.rebatched(len(entries))
	for _, h := range s.j.layers {
		h.Select(entries)
	}
}

// rebatched forgets where the buffers are if the batch will be another: those of
// one cannot hold the rows of another.
func (s state) rebatched(batch int) {
	if batch != s.Batch() {
		s.j.buffer = [2]*byte{}
	}
}

func (s state) Snapshot(id int) {
	all := make([]*oracle.History, len(s.j.layers))
	for l, h := range s.j.layers {
		all[l] = h.Snapshot()
	}
	s.j.saved[id] = all
}

func (s state) Restore(id int) {
	s.rebatched(s.j.saved[id][0].Batch())
	for l, h := range s.j.layers {
		h.Restore(s.j.saved[id][l])
	}
}

func (s state) Taken(id int) bool {
	_, ok := s.j.saved[id]
	return ok
}

// Reset also forgets where the buffers are, which a cache may make anew.
func (s state) Reset() {
	for _, h := range s.j.layers {
		h.Reset()
	}
	s.j.refused = 0
	s.j.buffer = [2]*byte{}
}

// Fault is a divergence at the operation under way. Words of others in its
// detail are made fit to print.
func (j *Judge) Fault(f corpus.Fault, tensor, detail string) *corpus.Divergence {
	kind := "start"
	if len(j.c.Ops) > 0 {
		kind = j.c.Ops[j.op].Kind.String()
	}
	return &corpus.Divergence{Op: j.op + 1, OpKind: kind, Tensor: tensor, Fault: f, Detail: printable.Line(detail), Said: slices.Clone(j.said)}
}

// panicked is the fault of a cache that panicked, told where p was recovered.
func (j *Judge) panicked(p any) *corpus.Divergence {
	d := j.Fault(corpus.FaultPanic, "-", fmt.Sprint(p))
	d.Stack = cacheStack(string(debug.Stack()))
	return d
}

// cacheStack is what is of interest of a stack that debug.Stack printed after a
// panic: the calls from the one that panicked to the cache's that the judge made.
func cacheStack(stack string) string {
	lines := strings.SplitAfter(stack, "\n") // two for each call, after one of the goroutine
	from := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "panic(") })
	if from < 0 {
		return stack
	}
	lines = lines[from+2:]
	to := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "/props/run.") || strings.Contains(l, "/props/judge.") })
	if to <= 0 {
		return stack
	}
	return strings.Join(lines[:to], "")
}

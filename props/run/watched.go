package run

import (
	"context"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// Watched is a cache whose refusals are not blamed at first sight. It keeps those
// that came between the rows that it returned last and those before.
type Watched struct {
	judge.Subject
	judge   *judge.Judge
	refused []int // since rows were returned, counted from 1
	before  []int // before rows were returned last
}

// Watch watches a cache that j asks.
func Watch(cache judge.Subject, j *judge.Judge) *Watched { return &Watched{Subject: cache, judge: j} }

// Suspects lists the operations, counted from 1, that were refused and may be to
// blame for the rows that were seen last, in the buffers or in what was returned: see
// Blame.
func (w *Watched) Suspects() []int {
	if len(w.refused) > 0 {
		return w.refused // nothing was returned since: it was the buffers
	}
	return w.before
}

// Uncertain implements judge.Uncertain.
func (*Watched) Uncertain() {}

func (w *Watched) note(err error) {
	if err != nil {
		w.refused = append(w.refused, w.judge.Op()+1)
	}
}

// returned takes note of what an update came to.
func (w *Watched) returned(err error) {
	if w.note(err); err == nil {
		w.before, w.refused = w.refused, nil
	}
}

// Update implements judge.Subject.
func (w *Watched) Update(ctx context.Context, keys, values *impls.Tensor) (k, v *impls.Tensor, err error) {
	k, v, err = w.Subject.Update(ctx, keys, values)
	w.returned(err)
	return k, v, err
}

// UpdateEach implements judge.Subject.
func (w *Watched) UpdateEach(ctx context.Context, keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	k, v, err = w.Subject.UpdateEach(ctx, keys, values, lengths)
	w.returned(err)
	return k, v, err
}

// UpdateLayer implements judge.Subject. The layers of one chunk have the same
// refusals before them.
func (w *Watched) UpdateLayer(ctx context.Context, layer int, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	k, v, err = w.Subject.UpdateLayer(ctx, layer, keys, values)
	if layer == 0 {
		w.returned(err)
	}
	return k, v, err
}

// Crop implements judge.Subject.
func (w *Watched) Crop(ctx context.Context, n int) error {
	err := w.Subject.Crop(ctx, n)
	w.note(err)
	return err
}

// CropEach implements judge.Subject.
func (w *Watched) CropEach(ctx context.Context, lengths []int) error {
	err := w.Subject.CropEach(ctx, lengths)
	w.note(err)
	return err
}

// Select implements judge.Subject.
func (w *Watched) Select(ctx context.Context, entries []int) error {
	err := w.Subject.Select(ctx, entries)
	w.note(err)
	return err
}

// Reset implements judge.Subject. What was refused before has no rows to be seen in.
func (w *Watched) Reset(ctx context.Context) {
	w.Subject.Reset(ctx)
	w.refused, w.before = nil, nil
}

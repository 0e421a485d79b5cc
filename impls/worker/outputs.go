package worker

import (
	"fmt"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// Returned makes the memory of what a checked program returns, with buffers of a shape,
// whose window does not count: [batch, heads, rows, dim], where it is reshaped
// [batch, heads, 1, rows·dim], and transposed [batch, heads, dim, rows].
func Returned(p inplace.Program, s impls.Shape) []impls.Tensor {
	s.Layout = impls.HeadsFirst
	var all []impls.Tensor
	for _, r := range p.Returns() {
		of, rows := s, r.Rows
		switch r.Form {
		case inplace.Reshaped:
			of.Dim, rows = s.Dim*r.Rows, 1
		case inplace.Transposed:
			of.Dim, rows = r.Rows, s.Dim
		}
		all = append(all, impls.NewTensor(of, rows))
	}
	return all
}

// tensor is the name of a buffer of call r of program i, or after the buffers of what
// the program returns.
func (j *Job) tensor(i, r, b int) string {
	of := b - len(j.Program.Buffers)
	name := inplace.ReturnName(of)
	if of < 0 {
		name = j.Program.Buffers[b].Name
	}
	if name = fmt.Sprintf("%d.%s", i, name); len(j.Again) > 0 {
		name += fmt.Sprintf(".%d", r)
	}
	return name
}

// pack is the first n buffers and returned values of each call of program i.
func (j *Job) pack(i, n int) []Tensor {
	var all []Tensor
	for r, call := range j.calls() {
		for b := range call[:n] {
			t := pack(j.tensor(i, r, b), &call[b])
			if j.reshaped(b) {
				t.Shape = []int{t.Shape[0], t.Shape[1], t.Shape[3]}
			}
			all = append(all, t)
		}
	}
	return all
}

// unshaped is a tensor as its memory has it: a reshaped value has three axes in
// messages.
func (j *Job) unshaped(b int, t *Tensor) *Tensor {
	if t == nil || !j.reshaped(b) || len(t.Shape) != 3 {
		return t
	}
	x := *t
	x.Shape = []int{t.Shape[0], t.Shape[1], 1, t.Shape[2]}
	return &x
}

func (j *Job) reshaped(b int) bool {
	of := b - len(j.Program.Buffers)
	return of >= 0 && j.Program.Returns()[of].Form == inplace.Reshaped
}

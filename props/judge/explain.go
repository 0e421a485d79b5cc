package judge

import (
	"fmt"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// explain looks for the hazard behind a wrong cell among the kernels of the
// plan that ran, if one did.
func (j *Judge) explain(d *corpus.Divergence, t oracle.Tensor, plan *inplace.Plan) {
	if plan == nil {
		return
	}
	names := storageNames(plan, t.String(), window.ChunkBuffer)
	for i := range plan.Kernels {
		j.attach(d, plan, i, i, 0, names, func(blocks int) []int32 { return j.BlockOrder(int(t), i, blocks) })
	}
}

// attach gives a divergence the hazard of a kernel: the one that computes the
// wrong cell, else the first one found.
func (j *Judge) attach(d *corpus.Divergence, plan *inplace.Plan, kernel, index, storage int, names []string, order func(int) []int32) {
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

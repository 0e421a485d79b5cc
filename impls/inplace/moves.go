package inplace

// move is copies that repeat from lane to lane: the stretch of n bytes from From to To,
// then as many again a step further on in both storages, count in all.
//
// It is what a Plan runs on Sim in ascending order. A kernel's Copies say the same, lane
// by lane; those of the plans of many shapes do not fit into a processor's cache, and
// waiting for them took most of a step.
type move struct {
	dst, src         int32
	to, from, n      int32
	toStep, fromStep int32
	count            int32
}

// maxMove bounds the offsets of moves, in bytes; larger plans are bound by the copies
// themselves.
const maxMove = 1 << 30

// movesOf is the kernels' copies as moves, in elements of size bytes; nil where a kernel
// has to read before it writes, adds, or reaches too far.
func movesOf(kernels []*Kernel, size, lanes int) []move {
	moves := []move{}
	for _, k := range kernels {
		if !k.disjoint || k.adds {
			return nil
		}
		period := len(k.Copies)
		if period%lanes == 0 && repeats(k.Copies, period/lanes) {
			period /= lanes
		}
		for i := range period {
			c := &k.Copies[i]
			if max(c.To, c.From)+c.N > maxMove/size || min(c.To, c.From) < 0 {
				return nil
			}
			m := move{
				dst: int32(c.Dst), src: int32(c.Src),
				to: int32(c.To * size), from: int32(c.From * size), n: int32(c.N * size), count: 1,
			}
			if period < len(k.Copies) {
				next := &k.Copies[i+period]
				m.toStep, m.fromStep = int32((next.To-c.To)*size), int32((next.From-c.From)*size)
				m.count = int32(lanes)
			}
			moves = append(moves, m)
		}
	}
	return moves
}

// repeats reports whether every copy is the one that is period before it, as far on in
// its storages as that is from the one before.
func repeats(copies []Copy, period int) bool {
	for i := period; i < len(copies); i++ {
		c, before, first := &copies[i], &copies[i-period], &copies[i%period]
		second := &copies[i%period+period]
		if c.Dst != before.Dst || c.Src != before.Src || c.N != before.N ||
			c.To-before.To != second.To-first.To || c.From-before.From != second.From-first.From {
			return false
		}
	}
	return true
}

// RunPlan runs all kernels of a plan in ascending order, as Run would each of them; it
// reports false, and has done nothing, where they have to be run one by one.
func (d *Sim) RunPlan(p *Plan, mem [][]byte) bool {
	if p.moves == nil {
		return false
	}
	for i := range p.moves {
		m := &p.moves[i]
		dst, src := mem[m.dst], mem[m.src]
		to, from, n := int(m.to), int(m.from), int(m.n)
		for range m.count {
			copy(dst[to:to+n], src[from:from+n])
			to, from = to+int(m.toStep), from+int(m.fromStep)
		}
	}
	return true
}

package inplace

// Sim runs the blocks one after the other, in exactly the order given.
type Sim struct{ scratch []byte }

// Run implements Device.
func (d *Sim) Run(k *Kernel, mem [][]byte, size int, order []int32) {
	if order == nil && k.disjoint && !k.adds {
		// Block after block in ascending order is copy after copy; where two
		// blocks share a stretch there is no need to stop between them.
		for i := range k.Copies {
			c := &k.Copies[i]
			d, s, n := c.To*size, c.From*size, c.N*size
			copy(mem[c.Dst][d:d+n], mem[c.Src][s:s+n])
		}
		return
	}
	if n := min(k.Block, k.Cells()) * size; len(d.scratch) < n && (!k.disjoint || k.adds) {
		d.scratch = make([]byte, n)
	}
	if order == nil {
		for b := range k.Blocks() {
			k.runBlock(b, mem, size, d.scratch)
		}
		return
	}
	for _, b := range order {
		k.runBlock(int(b), mem, size, d.scratch)
	}
}

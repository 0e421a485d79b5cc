package impls

// Sim runs the blocks one after the other, in exactly the order given.
type Sim struct{ scratch []byte }

// Run implements Device.
func (d *Sim) Run(k *Kernel, mem [][]byte, size int, order []int32) {
	if n := k.Block * size; len(d.scratch) < n && !k.apart {
		d.scratch = make([]byte, min(n, k.Cells()*size))
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

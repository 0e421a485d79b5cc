package inplace

import (
	"encoding/json"

	"github.com/slidefuzz/slidefuzz/impls"
)

// planJSON is a Plan as JSON, with its kernels' copies alone: NewKernel finds out the
// rest again.
type planJSON struct {
	Shape   impls.Shape
	Rows    []int
	Returns []int
	// Settled and Transposed are as Plan has them.
	Settled    []bool
	Transposed map[int]bool
	Kernels    []kernelJSON
}

type kernelJSON struct {
	Stmt, Block int
	Copies      []Copy
}

// MarshalJSON implements json.Marshaler, so that a plan can be kept in a file.
func (p *Plan) MarshalJSON() ([]byte, error) {
	x := planJSON{Shape: p.shape, Rows: p.Rows, Returns: p.Returns, Settled: p.settled, Transposed: p.transposed}
	for _, k := range p.Kernels {
		x.Kernels = append(x.Kernels, kernelJSON{k.Stmt, k.Block, k.Copies})
	}
	return json.Marshal(x)
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *Plan) UnmarshalJSON(data []byte) error {
	var x planJSON
	if err := json.Unmarshal(data, &x); err != nil {
		return err
	}
	*p = Plan{Rows: x.Rows, Returns: x.Returns, settled: x.Settled, transposed: x.Transposed, shape: x.Shape}
	for _, k := range x.Kernels {
		made := NewKernel(k.Stmt, max(1, k.Block), k.Copies)
		made.dtype = x.Shape.DType
		p.Kernels = append(p.Kernels, made)
	}
	return nil
}

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
	Kernels []kernelJSON
}

type kernelJSON struct {
	Stmt, Block int
	Copies      []Copy
}

// MarshalJSON implements json.Marshaler, so that a plan can be kept in a file.
func (p *Plan) MarshalJSON() ([]byte, error) {
	x := planJSON{Shape: p.shape, Rows: p.Rows}
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
	*p = Plan{Rows: x.Rows, shape: x.Shape}
	for _, k := range x.Kernels {
		p.Kernels = append(p.Kernels, NewKernel(k.Stmt, max(1, k.Block), k.Copies))
	}
	return nil
}

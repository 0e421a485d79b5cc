package reference

import (
	"fmt"
	"hash/maphash"

	"github.com/slidefuzz/slidefuzz/impls/engine"
)

// rowName is a hash of the bits of a row of keys or of values in a layer.
type rowName struct {
	layer, tensor int
	hash          uint64
}

// viewName is a query of the last forward, in a layer.
type viewName struct {
	layer    int
	request  string
	position int
}

var seed = maphash.MakeSeed()

// nameRows notes whose the rows are that the parts are about to write: a row that turns
// up elsewhere is known by its bits. The first of two that are equal keeps the name.
func (e *Engine) nameRows(layer int, parts []part) {
	width := e.decoder.kvHeads * e.decoder.headDim
	raw := make([]byte, width*e.decoder.dtype.Size())
	for _, p := range parts {
		for i := range p.n {
			for tensor, rows := range [...][]float32{e.decoder.keys, e.decoder.values} {
				encode(raw, rows[(p.at+i)*width:(p.at+i+1)*width], e.decoder.dtype)
				name := rowName{layer, tensor, maphash.Bytes(seed, raw)}
				if _, ok := e.names[name]; !ok {
					e.names[name] = engine.Token{Request: p.request.name, Position: p.first + i}
				}
			}
		}
	}
}

// remember keeps a view until the next forward.
func (e *Engine) remember(v *view) {
	for i := range v.n {
		if e.asked[v.at+i] {
			e.views[viewName{v.layer, v.request.name, v.first + i}] = v
		}
	}
}

// Explain implements engine.Explainer.
func (e *Engine) Explain(name string, position, layer int) (engine.Explanation, error) {
	v, ok := e.views[viewName{layer, name, position}]
	if !ok {
		return engine.Explanation{}, fmt.Errorf("the last forward had no query of request %s at position %d in layer %d", name, position, layer)
	}
	x := engine.Explanation{Cache: e.stores[layer].log(v.request).text()}
	width := e.decoder.kvHeads * e.decoder.headDim
	raw := make([]byte, width*e.decoder.dtype.Size())
	whose := func(tensor int, rows []float32, row int) *engine.Token {
		encode(raw, rows[row*width:(row+1)*width], e.decoder.dtype)
		t, ok := e.names[rowName{layer, tensor, maphash.Bytes(seed, raw)}]
		if !ok {
			return nil
		}
		return &t
	}
	for row, pos := range v.positions {
		if e.sees(v, position-v.first, row) {
			x.Rows = append(x.Rows, engine.AttendedRow{Row: row, Position: pos, Keys: whose(0, v.keys, row), Values: whose(1, v.values, row)})
		}
	}
	return x, nil
}

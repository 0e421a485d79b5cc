package reference

import (
	"context"
	"math"
	"slices"
)

// decoder is the working memory of a model: the tokens of one forward, row by row.
type decoder struct {
	*model
	attention    Attention
	x, mixed     []float32 // [tokens, hidden], [tokens, heads, headDim]
	queries      []float32 // [tokens, heads, headDim]
	keys, values []float32 // [tokens, kvHeads, headDim]
	hidden, out  []float32 // of one token
	gate, up     []float32
	query        query
	rotations    []map[int]rotation // by layer, by position
}

func newDecoder(m *model, a Attention) *decoder {
	d := &decoder{model: m, attention: a}
	d.hidden, d.out = make([]float32, m.config.hidden), make([]float32, m.config.hidden)
	d.gate, d.up = make([]float32, m.inner), make([]float32, m.inner)
	for range m.layer {
		d.rotations = append(d.rotations, map[int]rotation{})
	}
	return d
}

// begin puts the tokens' embeddings in place.
func (d *decoder) begin(tokens []int) {
	h := d.config.hidden
	d.x = grown(d.x, len(tokens)*h)
	d.queries = grown(d.queries, len(tokens)*d.heads*d.headDim)
	d.mixed = grown(d.mixed, len(tokens)*d.heads*d.headDim)
	d.keys = grown(d.keys, len(tokens)*d.kvHeads*d.headDim)
	d.values = grown(d.values, len(tokens)*d.kvHeads*d.headDim)
	scale := float32(1)
	if d.gemma() {
		scale = float32(math.Sqrt(float64(h)))
	}
	for t, id := range tokens {
		row := d.x[t*h : (t+1)*h]
		d.embedding.row(row, id)
		for i := range row {
			row[i] *= scale
		}
	}
}

// project makes queries, keys and values of one layer, turned by the position of each
// token.
func (d *decoder) project(layer int, positions []int) {
	l, h := d.layer[layer], d.config.hidden
	q, kv := d.heads*d.headDim, d.kvHeads*d.headDim
	for t, p := range positions {
		d.normed(d.hidden, d.x[t*h:(t+1)*h], l.beforeAttention)
		query, key := d.queries[t*q:(t+1)*q], d.keys[t*kv:(t+1)*kv]
		l.query.mul(query, d.hidden)
		l.key.mul(key, d.hidden)
		l.value.mul(d.values[t*kv:(t+1)*kv], d.hidden)
		for lo := 0; lo < q && l.queryNorm != nil; lo += d.headDim {
			d.normed(query[lo:lo+d.headDim], query[lo:lo+d.headDim], l.queryNorm)
		}
		for lo := 0; lo < kv && l.keyNorm != nil; lo += d.headDim {
			d.normed(key[lo:lo+d.headDim], key[lo:lo+d.headDim], l.keyNorm)
		}
		turn := d.rotation(layer, p)
		turn.turn(query)
		turn.turn(key)
	}
}

func (d *decoder) rotation(layer, position int) rotation {
	r, ok := d.rotations[layer][position]
	if !ok {
		r = newRotation(d.layer[layer].frequencies, position)
		d.rotations[layer][position] = r
	}
	return r
}

// mix is the attention of one token, over rows of which it sees some.
func (d *decoder) mix(t int, v *view, sees func(row int) bool) {
	q := d.heads * d.headDim
	x := &d.query
	x.q, x.keys, x.values = d.queries[t*q:(t+1)*q], v.keys, v.values
	x.heads, x.kvHeads, x.dim, x.rows = d.heads, d.kvHeads, d.headDim, v.rows
	x.scale, x.cap, x.sees = d.scale, d.scoreCap, sees
	d.attention.attend(d.mixed[t*q:(t+1)*q], x)
}

// finish is what follows attention in a layer, for each token that is asked for.
func (d *decoder) finish(layer int, asked []bool) {
	l, h, q := d.layer[layer], d.config.hidden, d.heads*d.headDim
	for t, ask := range asked {
		if !ask {
			continue
		}
		x := d.x[t*h : (t+1)*h]
		l.output.mul(d.out, d.mixed[t*q:(t+1)*q])
		if l.afterAttention != nil {
			d.normed(d.out, d.out, l.afterAttention)
		}
		addTo(x, d.out)
		d.normed(d.hidden, x, l.beforeFeedForward)
		l.gate.mul(d.gate, d.hidden)
		l.up.mul(d.up, d.hidden)
		for i, g := range d.gate {
			if g != 0 { // both give 0 for 0
				d.gate[i] = d.activate(g) * d.up[i]
			}
		}
		l.down.mul(d.out, d.gate)
		if l.afterFeedForward != nil {
			d.normed(d.out, d.out, l.afterFeedForward)
		}
		addTo(x, d.out)
	}
}

// logits is a row of logits of one token.
func (d *decoder) logits(t int) []float32 {
	h := d.config.hidden
	d.normed(d.hidden, d.x[t*h:(t+1)*h], d.norm)
	row := make([]float32, d.vocabulary)
	d.head.mul(row, d.hidden)
	for i := range row {
		if c := d.logitCap; c != 0 && row[i] != 0 {
			row[i] = c * tanh(row[i]/c)
		}
	}
	return row
}

// normed divides by the root of the mean square and multiplies with the weights. to may
// be x.
func (d *decoder) normed(to, x, weights []float32) {
	inverse := float32(1 / math.Sqrt(float64(dot(x, x))/float64(len(x))+d.eps))
	for i, v := range x {
		to[i] = v * inverse * weights[i]
	}
}

// activate is SiLU for mistral, GeLU by tanh for Gemma.
func (d *decoder) activate(x float32) float32 {
	if !d.gemma() {
		return x / (1 + exp(-x))
	}
	const root = 0.7978845608028654 // of 2/π
	return 0.5 * x * (1 + tanh(root*(x+0.044715*x*x*x)))
}

func addTo(to, x []float32) {
	for i, v := range x {
		to[i] += v
	}
}

// forward runs the parts through all layers. tokens are those of all parts, one after
// the other. In the last layer it computes those alone whose logits are asked for.
func (e *Engine) forward(ctx context.Context, tokens []int, parts []part) error {
	d := e.decoder
	d.begin(tokens)
	e.parts = parts
	positions := make([]int, len(tokens))
	e.asked = slices.Repeat([]bool{true}, len(tokens))
	for layer := range d.layer {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, p := range parts {
			for i := range p.n {
				positions[p.at+i] = e.rotary(layer, p, p.first+i)
			}
		}
		d.project(layer, positions)
		if layer == len(d.layer)-1 {
			for _, p := range parts {
				clear(e.asked[p.at : p.at+p.ask])
			}
		}
		e.nameRows(layer, parts)
		if e.plant.written != nil {
			e.plant.written(e, layer, parts)
		}
		if err := e.stores[layer].update(parts, d.keys, d.values, e.attend); err != nil {
			return err
		}
		d.finish(layer, e.asked)
	}
	return nil
}

// rotary is the position by which a token is turned: that among the tokens that are no
// padding.
func (e *Engine) rotary(layer int, p part, position int) int {
	if e.plant.rotary != nil {
		position = e.plant.rotary(e, layer, p, position)
	}
	return max(0, position-p.request.pad)
}

// attend is the attention of a view's queries.
func (e *Engine) attend(v *view) error {
	if e.plant.read != nil {
		e.plant.read(e, v)
	}
	seen := make([]bool, v.rows)
	for i := range v.n {
		if !e.asked[v.at+i] {
			continue
		}
		for row := range seen {
			seen[row] = e.sees(v, i, row)
		}
		e.decoder.mix(v.at+i, v, func(row int) bool { return seen[row] })
	}
	e.remember(v)
	return nil
}

// sees is the mask: whether query i of a view attends to a row. Where the cache says so
// itself, it is believed; padding it cannot know.
func (e *Engine) sees(v *view, i, row int) bool {
	p, pos := v.first+i, v.positions[row]
	if pos < 0 {
		return false
	}
	in := pos <= p
	if w := e.window(v.layer); w > 0 {
		in = in && pos > p-w
	}
	if v.visible != nil {
		in = v.visible[i][row]
	}
	// A query that is padding sees what it would see; nobody reads its answer.
	in = in && (pos >= v.request.pad || p < v.request.pad)
	if e.plant.mask != nil {
		return e.plant.mask(e, v, p, pos, in)
	}
	return in
}

// window is how many tokens a query sees in a layer, 0 for all.
func (e *Engine) window(layer int) int {
	if e.plant.window != nil {
		return e.plant.window(e.decoder.config, layer)
	}
	return e.decoder.windowOf(layer)
}

// windowOf is what the checkpoint asks for.
func (c *config) windowOf(layer int) int {
	if c.layers[layer].sliding {
		return c.window
	}
	return 0
}

package engine

import (
	"fmt"
	"math"

	"github.com/slidefuzz/slidefuzz/impls"
)

// weight is one tensor of a checkpoint: rows×cols numbers, a vector where rows is 0.
type weight struct {
	hf, gguf   string
	rows, cols int
	// fill is every number of a vector; cells are the numbers of a matrix that are not
	// zero, by row.
	fill  float64
	norm  bool // Gemma's Hugging Face files hold a norm's weights less one
	heads int  // rows are those of so many heads with rotary positions, else 0
	cells [][]cell
}

type cell struct {
	col   int
	value float64
}

func matrix(hf, gguf string, rows, cols int) *weight {
	return &weight{hf: hf, gguf: gguf, rows: rows, cols: cols, cells: make([][]cell, rows)}
}

func (w *weight) set(row, col int, value float64) {
	w.cells[row] = append(w.cells[row], cell{col, value})
}

func norm(hf, gguf string, n int, fill float64) *weight {
	return &weight{hf: hf, gguf: gguf, cols: n, fill: fill, norm: true}
}

// gauges are the sizes of the numbers in a checkpoint. All that could be powers of two
// are, so that they round nothing.
type gauges struct {
	// embed is the element of the embedding that names a token, and that of the
	// constant; ballast fills the embedding up so that a norm's output there is the
	// power of two normed.
	embed, normed float64
	ballast       [2]float64
	// follow is the element of an embedding that says which token it follows, where
	// embedding and output are tied.
	follow float64
	output float64 // of the attention's output projection
	// successor is the row of the output that makes decoding go on, slot the rows that
	// read a head's slots, constant the row that reads the embedding's constant.
	successor, slot, constant float64
	// attention, feedforward and final are the weights of Gemma's norms after the
	// attention, after the last layer's feed-forward part, and at the end.
	attention, feedforward, final float64
	// next and less are what the last feed-forward part adds to the element that
	// names the following token, and takes from the constant.
	next, less float64
	// query is the norm of all query vectors but the uniform ones, with key elements
	// of size 1; queryNorm and keyNorm are the weights of Gemma 3's norms.
	query, queryNorm, keyNorm float64
}

// Logits that the gauges aim at: that of the token that follows is the largest by far
// and small enough that softmax of all logits keeps the smallest that is read (e^-48
// is a normal float32); a head's constant has 16, so that a share of 1/4096 is 0.004.
const (
	followLogit   = 24 // at least; less than twice that
	constantLogit = 16
)

func power(x float64) float64 { return math.Exp2(math.Floor(math.Log2(x))) }

// gauge sets the sizes.
func (m Model) gauge(keyNorm2 float64) gauges {
	n := float64(m.hidden())
	var g gauges
	tied := m.Arch != Mistral
	// In units of embed: the token's name and the constant, and tied half of what the
	// token before names.
	base, follow := 2.0, 0.0
	if tied {
		follow = 0.5
		base += follow * follow
	}
	g.normed = 1
	for n/(4*g.normed*g.normed) >= base {
		g.normed *= 2
	}
	total := n / (g.normed * g.normed)
	if tied {
		// What the attention adds after its norm stays a 2^-7th of the embedding, as a
		// vector: 2^-6·sqrt(n) to embed·sqrt(n)·sqrt(total).
		g.attention = 1.0 / 64
		g.embed = power(2 * math.Sqrt2 * g.normed / math.Sqrt(n))
	} else {
		g.embed = g.normed // the mean of the squares is 1, which the epsilon does not change
	}
	rest := (total - base) * g.embed * g.embed
	for i := range g.ballast {
		g.ballast[i] = truncate(math.Sqrt(rest), m.DType)
		rest -= g.ballast[i] * g.ballast[i]
	}
	g.follow = follow * g.embed

	// Gemma 3 makes queries and keys of one length. 16·16 gives the distances scores
	// that are further apart than lookupGap-10; without position heads 4·1 is enough.
	g.queryNorm, g.keyNorm = 16, 16
	if m.Kind == Visible {
		g.queryNorm, g.keyNorm = 4, 1
	}
	g.query = float64(m.HeadDim) * g.queryNorm * g.keyNorm / math.Sqrt(keyNorm2)

	if !tied {
		// What a head writes is 2^-12 of the embedding, so that what one layer saw does
		// not change the next one's norm; float16 has not as many small numbers.
		share := math.Exp2(-12)
		if m.DType == impls.F16 {
			share = math.Exp2(-8)
		}
		g.output, g.final = g.embed*share, 1/g.normed
		g.successor, g.constant, g.slot = 32, constantLogit, constantLogit/share
		return g
	}
	g.output = 1
	// The rows of all tokens share constant and ballast; the last feed-forward part
	// takes so much from the constant that this gives a logit of about 0.
	less := total - base + 1
	added := max(16, 2*less)
	g.feedforward = power(added*g.embed) * 2
	added = g.feedforward / g.embed
	next := math.Sqrt(added*added - less*less)
	g.next, g.less = next/added, less/added
	last := math.Sqrt(total - 1 + (1-less)*(1-less) + next*next) // the length of the final vector over embed·sqrt(n)
	g.final = 2 * power(followLogit*last/(follow*next*g.embed*math.Sqrt(n)))
	scale := g.final / (g.embed * last) // of final vector to what is read, elements in units of embed·sqrt(n)
	written := g.attention * math.Sqrt(n/float64(m.Heads))
	g.slot = power(constantLogit / (scale * written))
	return g
}

// weights are all tensors of the checkpoint.
func (m Model) weights() ([]*weight, error) {
	head, err := m.head()
	if err != nil {
		return nil, err
	}
	g, n, d := head.gauges, m.hidden(), m.HeadDim
	tied := m.Arch != Mistral

	embed := matrix("model.embed_tokens.weight", "token_embd.weight", m.Vocabulary(), n)
	output := embed
	if !tied {
		output = matrix("lm_head.weight", "output.weight", m.Vocabulary(), n)
	}
	for _, id := range m.tokens() {
		embed.set(id, id, g.embed)
		embed.set(id, m.zero(), g.ballast[0])
		embed.set(id, m.constant(), g.embed)
		if tied {
			before := id
			if id < m.Identities() {
				before = (id + m.Identities() - 1) % m.Identities()
			}
			embed.set(id, d+before, g.follow)
		} else if id < m.Identities() {
			output.set((id+1)%m.Identities(), id, g.successor)
		}
		embed.set(id, 2*d-1, g.ballast[1])
	}
	if !tied {
		output.set(m.constant(), m.constant(), g.constant)
	}
	for s := d; s < m.Vocabulary(); s++ {
		output.set(s, s+d, g.slot)
	}
	all := []*weight{embed}
	for layer := range m.Layers {
		all = append(all, m.layer(layer, head)...)
	}
	final := norm("model.norm.weight", "output_norm.weight", n, g.final)
	all = append(all, final)
	if !tied {
		all = append(all, output)
	}
	return all, nil
}

// tokens are the ids that an embedding has: identities, padding and what tokenizers
// want.
func (m Model) tokens() []int {
	ids := make([]int, 0, m.HeadDim)
	for id := range m.constant() {
		if id != m.zero() {
			ids = append(ids, id)
		}
	}
	return ids
}

// layer gives the tensors of one layer.
func (m Model) layer(layer int, head head) []*weight {
	n, d, g := m.hidden(), m.HeadDim, head.gauges
	hf := func(name string) string { return fmt.Sprintf("model.layers.%d.%s.weight", layer, name) }
	gguf := func(name string) string { return fmt.Sprintf("blk.%d.%s.weight", layer, name) }

	q := matrix(hf("self_attn.q_proj"), gguf("attn_q"), m.Heads*d, n)
	k := matrix(hf("self_attn.k_proj"), gguf("attn_k"), m.KVHeads*d, n)
	v := matrix(hf("self_attn.v_proj"), gguf("attn_v"), m.KVHeads*d, n)
	o := matrix(hf("self_attn.o_proj"), gguf("attn_output"), n, m.Heads*d)
	q.heads, k.heads = m.Heads, m.KVHeads
	for h, r := range m.roles() {
		head.query(r, h/m.group(), func(element, col int, value float64) { q.set(h*d+element, col, value) })
		for _, id := range m.tokens() {
			o.set(d*(2+layer*m.Heads+h)+id, h*d+head.slot(h/m.group(), id), g.output)
		}
		o.set(d*(2+layer*m.Heads+h)+m.constant(), h*d+m.constant(), g.output)
	}
	for kv := range m.KVHeads {
		head.key(kv, func(element, col int, value float64) { k.set(kv*d+element, col, value) })
		for _, id := range m.tokens() {
			v.set(kv*d+head.slot(kv, id), id, 1)
		}
		v.set(kv*d+m.constant(), m.constant(), 1)
	}

	gate := matrix(hf("mlp.gate_proj"), gguf("ffn_gate"), d, n)
	up := matrix(hf("mlp.up_proj"), gguf("ffn_up"), d, n)
	down := matrix(hf("mlp.down_proj"), gguf("ffn_down"), n, d)
	before := norm(hf("input_layernorm"), gguf("attn_norm"), n, 1/g.normed)
	all := []*weight{before, q, k, v, o}
	if m.Arch == Mistral {
		return append(all, norm(hf("post_attention_layernorm"), gguf("ffn_norm"), n, 1/g.normed), gate, up, down)
	}
	if m.Arch == Gemma3 {
		all = append(all, norm(hf("self_attn.q_norm"), gguf("attn_q_norm"), d, g.queryNorm),
			norm(hf("self_attn.k_norm"), gguf("attn_k_norm"), d, g.keyNorm))
	}
	feedforward := 1.0
	if layer == m.Layers-1 {
		feedforward = g.feedforward
		for t := range m.Identities() {
			// The gate sees 8, where GeLU is the identity to fifteen digits.
			gate.set(t, t, 8)
			up.set(t, t, 1)
			down.set(d+t, t, g.next)
			down.set(m.constant(), t, -g.less)
		}
	}
	return append(all,
		norm(hf("post_attention_layernorm"), gguf("post_attention_norm"), n, g.attention),
		norm(hf("pre_feedforward_layernorm"), gguf("ffn_norm"), n, 1/g.normed), gate, up, down,
		norm(hf("post_feedforward_layernorm"), gguf("post_ffw_norm"), n, feedforward))
}

// head is how queries, keys and values are made, the same in every layer.
type head struct {
	m           Model
	gauges      gauges
	tokens      []int // ids by place
	place       []int // the inverse
	slots, code []int // drawn orders of places
	elements    []int
	spare       int
	words       [][]uint64 // codes of a full checkpoint by place in code
	lookup      float64    // the element of a lookup's query
}

func (m Model) head() (head, error) {
	r := &draws{m.Seed}
	h := head{m: m, tokens: m.tokens()}
	h.place = make([]int, m.HeadDim)
	for i, id := range h.tokens {
		h.place[id] = i
	}
	h.slots = r.shuffled(make([]int, len(h.tokens)))
	h.code = r.shuffled(make([]int, len(h.tokens)))
	h.elements, h.spare = m.codeElements()
	n := len(h.elements)
	root := math.Sqrt(float64(m.HeadDim))
	if m.Kind == Visible {
		h.gauges = m.gauge(float64(n))
		return h, nil
	}
	var agree int
	h.words, agree = codes(len(h.tokens), n, r)
	h.gauges = m.gauge(float64(n + positionPairs))
	h.lookup = root * lookupGap / float64(n-agree)
	if most := h.lookup * math.Sqrt(float64(n)); most > h.gauges.query {
		return h, fmt.Errorf("dim=%d: a lookup needs a query of %.0f, there is room for %.0f", m.HeadDim, most, h.gauges.query)
	}
	return h, nil
}

// other is place i of KV head kv's order: each KV head has its own, so that heads that
// change places show.
func (h head) other(order []int, kv, i int) int {
	return (order[i] + kv*max(1, len(order)/h.m.KVHeads)) % len(order)
}

// slot is the element of a value row that token id takes.
func (h head) slot(kv, id int) int { return h.tokens[h.other(h.slots, kv, h.place[id])] }

// sign is element i of the code of token id.
func (h head) sign(kv, id, i int) float64 {
	if h.words[h.other(h.code, kv, h.place[id])][i/64]>>(i%64)&1 == 1 {
		return 1
	}
	return -1
}

// key hands out how the key is made of the normed hidden elements, in which a token's
// name and the constant are 1.
func (h head) key(kv int, set func(element, col int, value float64)) {
	if h.m.Kind == Visible {
		for _, e := range h.elements {
			set(e, h.m.constant(), 1)
		}
		return
	}
	for _, e := range h.m.positions() {
		set(e, h.m.constant(), 1)
	}
	for i, e := range h.elements {
		for _, id := range h.tokens {
			set(e, id, h.sign(kv, id, i))
		}
	}
}

// query hands out how the query is made. All but the uniform ones are made equally
// long by an element that no key has, which only Gemma 3's norm needs.
func (h head) query(r role, kv int, set func(element, col int, value float64)) {
	m, root, length := h.m, math.Sqrt(float64(h.m.HeadDim)), h.gauges.query
	used := 0.0
	switch r.role {
	case Uniform:
		return
	case Balanced:
		element := root
		if m.Kind == Visible {
			element *= balancedScore / float64(len(h.elements))
		}
		for _, e := range h.elements {
			set(e, m.constant(), element)
		}
		used = element * element * float64(len(h.elements))
	case Lookup:
		for i, e := range h.elements {
			for t := range m.Identities() {
				before := (t + m.Identities() - r.offset%m.Identities()) % m.Identities()
				set(e, t, h.lookup*h.sign(kv, before, i))
			}
		}
		used = h.lookup * h.lookup * float64(len(h.elements))
	case Position:
		for _, e := range m.positions() {
			sin, cos := math.Sincos(float64(r.offset) * m.turn(e))
			set(e, m.constant(), length/2*cos)
			set(e+m.HeadDim/2, m.constant(), -length/2*sin)
		}
		used = length * length
	}
	if rest := length*length - used; rest > 1e-9*length*length {
		set(h.spare, m.constant(), math.Sqrt(rest))
	}
}

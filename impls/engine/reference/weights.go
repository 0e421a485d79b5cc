package reference

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// model is a checkpoint in memory.
type model struct {
	*config
	embedding, head *matrix // one and the same where they are tied
	norm            []float32
	layer           []*layer
}

// layer is the weights of one layer. Norms that the architecture has not are nil.
type layer struct {
	layerConfig
	frequencies                        []float64 // of the rotary positions
	query, key, value, output          *matrix
	gate, up, down                     *matrix
	beforeAttention, beforeFeedForward []float32 // norms
	afterAttention, afterFeedForward   []float32
	queryNorm, keyNorm                 []float32
}

const weightsFile = "model.safetensors"

// load reads a Hugging Face folder: config.json and model.safetensors.
func load(dir string) (*model, error) {
	c, err := readConfig(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, weightsFile)
	t, err := readTensors(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	m := t.model(c)
	if t.err != nil {
		return nil, fmt.Errorf("%s: %w", file, t.err)
	}
	return m, nil
}

// tensors is the tensors of a safetensors file that have not been taken yet. The first
// error stays.
type tensors struct {
	info map[string]tensorInfo
	data []byte
	err  error
}

type tensorInfo struct {
	DType   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
}

func readTensors(file string) (*tensors, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if len(data) < 8 || binary.LittleEndian.Uint64(data) > uint64(len(data)-8) {
		return nil, fmt.Errorf("%d bytes are no safetensors file", len(data))
	}
	n := int(binary.LittleEndian.Uint64(data))
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data[8:8+n], &all); err != nil {
		return nil, fmt.Errorf("the header: %w", err)
	}
	t := &tensors{info: map[string]tensorInfo{}, data: data[8+n:]}
	for name, raw := range all {
		if name == "__metadata__" {
			continue
		}
		var i tensorInfo
		if err := json.Unmarshal(raw, &i); err != nil {
			return nil, fmt.Errorf("the header, of %s: %w", name, err)
		}
		t.info[name] = i
	}
	return t, nil
}

// take is the numbers of a tensor, which must have this shape.
func (t *tensors) take(name string, shape ...int) []float32 {
	n := 1
	for _, e := range shape {
		n *= e
	}
	i, ok := t.info[name]
	delete(t.info, name)
	d, err := impls.ParseDType(i.DType)
	switch {
	case t.err != nil:
	case !ok:
		t.err = fmt.Errorf("no tensor is called %s", name)
	case err != nil || d.Size() == 1:
		t.err = fmt.Errorf("%s is %s, want F32, F16 or BF16", name, i.DType)
	case !slices.Equal(i.Shape, shape):
		t.err = fmt.Errorf("%s is %v, want %v", name, i.Shape, shape)
	case i.Offsets[0] < 0 || i.Offsets[1]-i.Offsets[0] != n*d.Size() || i.Offsets[1] > len(t.data):
		t.err = fmt.Errorf("%s lies at bytes %v of %d, want %d of them", name, i.Offsets, len(t.data), n*d.Size())
	default:
		w := make([]float32, n)
		decode(w, t.data[i.Offsets[0]:], d)
		return w
	}
	return nil
}

func (t *tensors) matrix(name string, rows, cols int) *matrix {
	w := t.take(name, rows, cols)
	if w == nil {
		return nil
	}
	return newMatrix(rows, cols, w)
}

// model takes all tensors of an architecture. One that is left over is an error: it
// would be left out of what is computed.
func (t *tensors) model(c *config) *model {
	m := &model{config: c}
	m.embedding = t.matrix("model.embed_tokens.weight", c.vocabulary, c.hidden)
	m.head = m.embedding
	if !c.tied {
		m.head = t.matrix("lm_head.weight", c.vocabulary, c.hidden)
	}
	delete(t.info, "lm_head.weight") // of tied ones some writers give a copy
	norm := func(name string, n int) []float32 {
		w := t.take(name+".weight", n)
		for i := range w {
			if c.gemma() {
				w[i]++
			}
		}
		return w
	}
	m.norm = norm("model.norm", c.hidden)
	for i, lc := range c.layers {
		at := fmt.Sprintf("model.layers.%d.", i)
		l := &layer{layerConfig: lc, frequencies: frequencies(lc.theta, c.headDim)}
		l.query = t.matrix(at+"self_attn.q_proj.weight", c.heads*c.headDim, c.hidden)
		l.key = t.matrix(at+"self_attn.k_proj.weight", c.kvHeads*c.headDim, c.hidden)
		l.value = t.matrix(at+"self_attn.v_proj.weight", c.kvHeads*c.headDim, c.hidden)
		l.output = t.matrix(at+"self_attn.o_proj.weight", c.hidden, c.heads*c.headDim)
		l.gate = t.matrix(at+"mlp.gate_proj.weight", c.inner, c.hidden)
		l.up = t.matrix(at+"mlp.up_proj.weight", c.inner, c.hidden)
		l.down = t.matrix(at+"mlp.down_proj.weight", c.hidden, c.inner)
		l.beforeAttention = norm(at+"input_layernorm", c.hidden)
		if !c.gemma() {
			l.beforeFeedForward = norm(at+"post_attention_layernorm", c.hidden)
		} else {
			l.afterAttention = norm(at+"post_attention_layernorm", c.hidden)
			l.beforeFeedForward = norm(at+"pre_feedforward_layernorm", c.hidden)
			l.afterFeedForward = norm(at+"post_feedforward_layernorm", c.hidden)
		}
		if c.arch == "gemma3" {
			l.queryNorm = norm(at+"self_attn.q_norm", c.headDim)
			l.keyNorm = norm(at+"self_attn.k_norm", c.headDim)
		}
		m.layer = append(m.layer, l)
	}
	for name := range t.info {
		if t.err == nil {
			t.err = fmt.Errorf("a %s has no tensor %s that this engine knows", c.arch, name)
		}
	}
	return m
}

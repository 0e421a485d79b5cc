package reference

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
)

// tiny is a checkpoint with random weights. Its vocabulary is 31.
type tiny struct {
	arch   string
	window int
	dtype  impls.DType
}

const tinyVocabulary = 31

// write writes it into a folder of the test's.
func (m tiny) write(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	const layers, hidden, inner, heads, kvHeads, dim = 2, 12, 10, 4, 2, 6
	config := map[string]any{
		"model_type": m.arch, "vocab_size": tinyVocabulary, "hidden_size": hidden, "intermediate_size": inner,
		"num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kvHeads, "head_dim": dim,
		"sliding_window": m.window, "rms_norm_eps": 1e-6, "tie_word_embeddings": true, "sliding_window_pattern": 2,
		"torch_dtype": map[impls.DType]string{impls.F32: "float32", impls.F16: "float16", impls.BF16: "bfloat16"}[m.dtype],
	}
	shapes := map[string][]int{"embed_tokens": {tinyVocabulary, hidden}, "norm": {hidden}}
	if m.arch == "gemma2" {
		config["attn_logit_softcapping"], config["final_logit_softcapping"] = 2, 3
	}
	norms := []string{"input_layernorm", "post_attention_layernorm"}
	if m.arch != "mistral" {
		norms = append(norms, "pre_feedforward_layernorm", "post_feedforward_layernorm")
	}
	for i := range layers {
		at := fmt.Sprintf("layers.%d.", i)
		for name, s := range map[string][]int{
			"self_attn.q_proj": {heads * dim, hidden}, "self_attn.k_proj": {kvHeads * dim, hidden},
			"self_attn.v_proj": {kvHeads * dim, hidden}, "self_attn.o_proj": {hidden, heads * dim},
			"mlp.gate_proj": {inner, hidden}, "mlp.up_proj": {inner, hidden}, "mlp.down_proj": {hidden, inner},
		} {
			shapes[at+name] = s
		}
		for _, n := range norms {
			shapes[at+n] = []int{hidden}
		}
		if m.arch == "gemma3_text" {
			shapes[at+"self_attn.q_norm"], shapes[at+"self_attn.k_norm"] = []int{dim}, []int{dim}
		}
	}
	writeJSON(t, filepath.Join(dir, "config.json"), config)
	writeTensors(t, filepath.Join(dir, "model.safetensors"), shapes, m.dtype)
	return dir
}

func writeJSON(t *testing.T, file string, x any) {
	t.Helper()
	data, err := json.Marshal(x)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, data, 0o600))
}

// writeTensors writes tensors of random numbers, model.NAME.weight.
func writeTensors(t *testing.T, file string, shapes map[string][]int, d impls.DType) {
	t.Helper()
	header, data := map[string]any{"__metadata__": map[string]string{"format": "pt"}}, []byte(nil)
	random := rand.New(rand.NewPCG(1, 1))
	for name, shape := range shapes {
		n := 1
		for _, e := range shape {
			n *= e
		}
		w := make([]float32, n)
		for i := range w {
			w[i] = float32(0.5 * random.NormFloat64())
		}
		at := len(data)
		data = append(data, make([]byte, n*d.Size())...)
		encode(data[at:], w, d)
		header["model."+name+".weight"] = map[string]any{"dtype": d.String(), "shape": shape, "data_offsets": []int{at, len(data)}}
	}
	head, err := json.Marshal(header)
	require.NoError(t, err)
	all := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
	require.NoError(t, os.WriteFile(file, append(append(all, head...), data...), 0o600))
}

// loaded is an engine with a checkpoint.
func loaded(t *testing.T, dir string, o Options) *Engine {
	t.Helper()
	e, err := New(o)
	require.NoError(t, err)
	require.NoError(t, e.Load(t.Context(), dir, engine.HF, 0))
	return e
}

// randomTokens is n tokens of a tiny model.
func randomTokens(r *rand.Rand, n int) []int {
	tokens := make([]int, n)
	for i := range tokens {
		tokens[i] = r.IntN(tinyVocabulary)
	}
	return tokens
}

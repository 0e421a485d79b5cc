package reference

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
)

// What a checkpoint asks for and the engine does not do is an error that names it, never
// left out.
func TestUnknownConfig(t *testing.T) {
	dir := tiny{"gemma3_text", 4, impls.F32}.write(t)
	file := filepath.Join(dir, "config.json")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	for want, change := range map[string]map[string]any{
		"llama":               {"model_type": "llama"},
		"vocab_size":          {"vocab_size": 0},
		"a multiple":          {"num_key_value_heads": 3},
		"an even dim":         {"head_dim": 7},
		"activation":          {"hidden_activation": "gelu"},
		"biases":              {"attention_bias": true},
		"both ways":           {"use_bidirectional_attention": true},
		"rope_scaling":        {"rope_scaling": map[string]any{"factor": 8}},
		"rope_type":           {"rope_parameters": map[string]any{"full_attention": map[string]any{"rope_type": "yarn"}}},
		"rope_theta is":       {"rope_local_base_freq": -1},
		"dtype":               {"torch_dtype": "float64"},
		"layer_types has 1":   {"layer_types": []string{"full_attention"}},
		"layer_types[1] is":   {"layer_types": []string{"full_attention", "chunked_attention"}},
		"sliding_window is 0": {"sliding_window": nil},
		"no tensor is called": {"num_hidden_layers": 3},
		"has no tensor":       {"num_hidden_layers": 1},
		"want [32 12]":        {"vocab_size": 32},
		"lm_head.weight":      {"tie_word_embeddings": false},
		"invalid character":   nil,
	} {
		var c map[string]any
		require.NoError(t, json.Unmarshal(data, &c))
		for k, v := range change {
			c[k] = v
		}
		writeJSON(t, file, c)
		if change == nil {
			require.NoError(t, os.WriteFile(file, []byte("no json"), 0o600))
		}
		e, err := New(Options{})
		require.NoError(t, err)
		require.ErrorContains(t, e.Load(t.Context(), dir, engine.HF, 0), want)
	}
	require.NoError(t, os.WriteFile(file, data, 0o600))
	loaded(t, dir, Options{})
}

// Both ways to write the rotary bases are read, and the kinds of layer in each.
func TestConfigOfOldAndNew(t *testing.T) {
	base := map[string]any{"vocab_size": 1, "hidden_size": 8, "intermediate_size": 1, "num_hidden_layers": 3, "num_attention_heads": 2, "sliding_window": 4}
	read := func(changes map[string]any) *config {
		for k, v := range base {
			changes[k] = v
		}
		file := filepath.Join(t.TempDir(), "config.json")
		writeJSON(t, file, changes)
		c, err := readConfig(file)
		require.NoError(t, err)
		return c
	}
	c := read(map[string]any{"model_type": "mistral", "rope_theta": 5, "dtype": "float16"})
	require.Equal(t, []layerConfig{{true, 5}, {true, 5}, {true, 5}}, c.layers)
	require.Equal(t, impls.F16, c.dtype)
	require.Equal(t, 2, c.kvHeads)
	require.Equal(t, 4, c.headDim)
	require.False(t, c.tied)
	c = read(map[string]any{"model_type": "gemma2", "rope_parameters": map[string]any{"rope_type": "default", "rope_theta": 6}, "torch_dtype": "bfloat16"})
	require.Equal(t, []layerConfig{{true, 6}, {false, 6}, {true, 6}}, c.layers)
	require.Equal(t, impls.BF16, c.dtype)
	require.True(t, c.tied)
	c = read(map[string]any{"model_type": "gemma3_text", "rope_theta": 7, "rope_local_base_freq": 8, "sliding_window_pattern": 3})
	require.Equal(t, []layerConfig{{true, 8}, {true, 8}, {false, 7}}, c.layers)
	c = read(map[string]any{
		"model_type": "gemma3_text", "layer_types": []string{fullAttention, slidingAttention, fullAttention},
		"rope_parameters": map[string]any{fullAttention: map[string]any{"rope_theta": 9}, slidingAttention: map[string]any{"rope_theta": 10}},
	})
	require.Equal(t, []layerConfig{{false, 9}, {true, 10}, {false, 9}}, c.layers)
}

// A file that is cut or whose header lies is an error, whatever it lies about.
func TestBrokenTensors(t *testing.T) {
	dir := tiny{"mistral", 4, impls.F16}.write(t)
	file := filepath.Join(dir, "model.safetensors")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	n := binary.LittleEndian.Uint64(data)
	for name, broken := range map[string][]byte{
		"empty":           nil,
		"header cut":      data[:n/2],
		"a byte short":    data[:len(data)-1],
		"huge header":     append(binary.LittleEndian.AppendUint64(nil, 1<<63), data[8:]...),
		"no json":         append(append([]byte(nil), data[:8]...), make([]byte, n)...),
		"tensor no json":  append(binary.LittleEndian.AppendUint64(nil, 7), `{"a":1}`...),
		"negative offset": append(binary.LittleEndian.AppendUint64(nil, 90), `{"model.embed_tokens.weight":{"dtype":"F16","shape":[31,12],"data_offsets":[-744,0]      }}`...),
	} {
		require.NoError(t, os.WriteFile(file, broken, 0o600))
		e, err := New(Options{})
		require.NoError(t, err)
		require.Error(t, e.Load(t.Context(), dir, engine.HF, 0), name)
	}
}

// A matrix gives the same whether it keeps its zeros or not.
func TestSparseMatrix(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 4))
	for _, part := range []float64{0, 0.1, 0.9} {
		w := make([]float32, 7*13)
		for i := range w {
			if random.Float64() < part {
				w[i] = float32(random.IntN(9) - 4)
			}
		}
		x := make([]float32, 13)
		for i := range x {
			x[i] = float32(random.IntN(9) - 4)
		}
		m := newMatrix(7, 13, w)
		require.Equal(t, part < 0.5, m.dense == nil)
		got, row := make([]float32, 7), make([]float32, 13)
		m.mul(got, x)
		for r := range got {
			require.Equal(t, dot(w[r*13:(r+1)*13], x), got[r]) // whole numbers: exact
			m.row(row, r)
			require.Equal(t, w[r*13:(r+1)*13], row)
		}
	}
}

// A model that was loaded is loaded again where its file has changed, and only there.
func TestModelsAreKept(t *testing.T) {
	dir, other := tiny{"mistral", 4, impls.F32}.write(t), tiny{"mistral", 4, impls.F16}.write(t)
	e := loaded(t, dir, Options{})
	first := e.decoder.model
	require.NoError(t, e.Load(t.Context(), other, engine.HF, 4))
	require.NotSame(t, first, e.decoder.model)
	require.NoError(t, e.Load(t.Context(), dir, engine.HF, 4))
	require.Same(t, first, e.decoder.model)
	for _, name := range []string{"config.json", weightsFile} {
		data, err := os.ReadFile(filepath.Join(other, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	require.NoError(t, e.Load(t.Context(), dir, engine.HF, 4))
	require.Equal(t, impls.F16, e.decoder.dtype)
	require.NoError(t, os.Remove(filepath.Join(dir, weightsFile)))
	require.ErrorIs(t, e.Load(t.Context(), dir, engine.HF, 4), os.ErrNotExist)
}

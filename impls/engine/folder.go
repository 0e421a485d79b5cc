package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/slidefuzz/slidefuzz/impls"
)

// epsilon is what norms add to the mean of the squares, which is about 1 where it
// matters.
const epsilon = 1e-6

// positionsHeld is how long a sequence may become: nothing of the checkpoint limits it.
const positionsHeld = 32768

// writeFolder writes what transformers and its like load. Attention and decoding need
// config.json and model.safetensors; the rest is what tokenizers want.
func (m Model) writeFolder(dir string, weights []*weight) error {
	for name, v := range map[string]any{
		"config.json":            m.config(),
		"generation_config.json": m.generation(),
		"tokenizer.json":         m.tokenizer(),
		"tokenizer_config.json":  m.tokenizerConfig(),
	} {
		b, err := json.MarshalIndent(v, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), append(b, '\n'), 0o666); err != nil {
			return err
		}
	}
	return create(filepath.Join(dir, "model.safetensors"), func(w io.Writer) error {
		return m.writeSafetensors(w, weights)
	})
}

// writeSafetensors writes the tensors in their order.
func (m Model) writeSafetensors(w io.Writer, weights []*weight) error {
	type entry struct {
		DType   string   `json:"dtype"`
		Shape   []int    `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	header := map[string]any{"__metadata__": map[string]string{"format": "pt"}}
	at := int64(0)
	for _, t := range weights {
		shape := []int{t.rows, t.cols}
		if t.rows == 0 {
			shape = shape[1:]
		}
		end := at + int64(t.elements())*int64(m.DType.Size())
		header[t.hf] = entry{m.DType.String(), shape, [2]int64{at, end}}
		at = end
	}
	b, err := json.Marshal(header)
	if err != nil {
		return err
	}
	for len(b)%8 != 0 {
		b = append(b, ' ')
	}
	if _, err := w.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(b))), b...)); err != nil {
		return err
	}
	for _, t := range weights {
		less := 0.0
		if t.norm && m.Arch != Mistral {
			less = 1
		}
		if err := t.write(w, m.DType, less, false); err != nil {
			return err
		}
	}
	return nil
}

type object = map[string]any

// real is a number that stays one with a point in JSON: transformers refuses 300 where
// it wants 300.0.
type real float64

func (r real) MarshalJSON() ([]byte, error) {
	b := strconv.AppendFloat(nil, float64(r), 'g', -1, 64)
	if !bytes.ContainsAny(b, ".e") {
		b = append(b, ".0"...)
	}
	return b, nil
}

// config is config.json, in the words of transformers 5 and of 4, which other loaders
// read.
func (m Model) config() object {
	dtype := map[impls.DType]string{impls.F32: "float32", impls.F16: "float16", impls.BF16: "bfloat16"}[m.DType]
	kinds := make([]string, m.Layers)
	for i := range kinds {
		kinds[i] = "full_attention"
		if m.Sliding(i) {
			kinds[i] = "sliding_attention"
		}
	}
	rope := object{"rope_type": "default", "rope_theta": real(m.theta())}
	c := object{
		"vocab_size": m.Vocabulary(), "hidden_size": m.hidden(), "intermediate_size": m.HeadDim,
		"num_hidden_layers": m.Layers, "num_attention_heads": m.Heads, "num_key_value_heads": m.KVHeads,
		"head_dim": m.HeadDim, "max_position_embeddings": positionsHeld, "rms_norm_eps": real(epsilon),
		"rope_theta": real(m.theta()), "rope_parameters": rope, "sliding_window": m.Window,
		"attention_dropout": real(0), "use_cache": true, "torch_dtype": dtype, "dtype": dtype,
		"pad_token_id": m.Padding(), "bos_token_id": m.begin(), "eos_token_id": m.end(),
	}
	if m.Arch == Mistral {
		c["model_type"], c["architectures"] = "mistral", []string{"MistralForCausalLM"}
		c["hidden_act"], c["tie_word_embeddings"] = "silu", false
		return c
	}
	c["hidden_activation"], c["hidden_act"], c["tie_word_embeddings"] = "gelu_pytorch_tanh", "gelu_pytorch_tanh", true
	c["attention_bias"], c["query_pre_attn_scalar"], c["layer_types"] = false, m.HeadDim, kinds
	if m.Arch == Gemma2 {
		c["model_type"], c["architectures"] = "gemma2", []string{"Gemma2ForCausalLM"}
		c["attn_logit_softcapping"], c["final_logit_softcapping"] = real(attentionCap), real(finalCap)
		return c
	}
	c["model_type"], c["architectures"] = "gemma3_text", []string{"Gemma3ForCausalLM"}
	c["attn_logit_softcapping"], c["final_logit_softcapping"] = nil, nil
	c["rope_local_base_freq"], c["sliding_window_pattern"] = real(m.theta()), 2
	c["rope_parameters"] = object{"full_attention": rope, "sliding_attention": rope}
	return c
}

func (m Model) generation() object {
	return object{
		"do_sample": false, "pad_token_id": m.Padding(), "bos_token_id": m.begin(), "eos_token_id": m.end(),
	}
}

// word is the text of an id: t0 is identity 0, x1.2.3 slot 3 of head 2 of layer 1.
func (m Model) word(id int) string {
	switch id {
	case m.Padding():
		return "<pad>"
	case m.zero():
		return "<zero>"
	case m.begin():
		return "<s>"
	case m.end():
		return "</s>"
	case m.unknown():
		return "<unk>"
	case m.constant():
		return "<constant>"
	}
	if id < m.HeadDim {
		return fmt.Sprintf("t%d", id)
	}
	head := id/m.HeadDim - 1
	return fmt.Sprintf("x%d.%d.%d", head/m.Heads, head%m.Heads, id%m.HeadDim)
}

// tokenizer is tokenizer.json: words between spaces.
func (m Model) tokenizer() object {
	vocabulary := make(map[string]int, m.Vocabulary())
	for id := range m.Vocabulary() {
		vocabulary[m.word(id)] = id
	}
	var added []object
	for id := m.Padding(); id <= m.constant(); id++ {
		added = append(added, object{
			"id": id, "content": m.word(id), "single_word": false, "lstrip": false, "rstrip": false,
			"normalized": false, "special": true,
		})
	}
	return object{
		"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": added, "normalizer": nil,
		"pre_tokenizer": object{"type": "WhitespaceSplit"}, "post_processor": nil,
		"decoder": object{"type": "WordPiece", "prefix": "##", "cleanup": false},
		"model":   object{"type": "WordLevel", "vocab": vocabulary, "unk_token": m.word(m.unknown())},
	}
}

func (m Model) tokenizerConfig() object {
	return object{
		"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": positionsHeld,
		"bos_token": m.word(m.begin()), "eos_token": m.word(m.end()), "unk_token": m.word(m.unknown()),
		"pad_token": m.word(m.Padding()), "clean_up_tokenization_spaces": false,
		"chat_template": "{% for message in messages %}{{ message['content'] }} {% endfor %}",
	}
}

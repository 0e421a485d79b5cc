package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/slidefuzz/slidefuzz/impls"
)

// ggufAlign is the alignment of tensors in a GGUF file, in bytes.
const ggufAlign = 32

// Types of values and tensors, as GGUF numbers them.
const (
	ggufU32 = 4 + iota
	ggufI32
	ggufF32
	ggufBool
	ggufString
	ggufArray
)

// writeGGUF writes a GGUF file of version 3.
func (m Model) writeGGUF(w io.Writer, weights []*weight) error {
	g := &ggufHeader{arch: map[string]string{Mistral: "llama", Gemma2: "gemma2", Gemma3: "gemma3"}[m.Arch]}
	m.ggufKeys(g)
	var b bytes.Buffer
	b.WriteString("GGUF")
	number(&b, uint32(3), uint64(len(weights)), uint64(g.keys))
	b.Write(g.Bytes())
	types := map[impls.DType]uint32{impls.F32: 0, impls.F16: 1, impls.BF16: 30}
	at := uint64(0)
	for _, t := range weights {
		text(&b, t.gguf)
		if t.rows == 0 {
			number(&b, uint32(1), uint64(t.cols))
		} else {
			number(&b, uint32(2), uint64(t.cols), uint64(t.rows))
		}
		number(&b, types[m.ggufType(t)], at)
		at += uint64(aligned(t.elements() * m.ggufType(t).Size()))
	}
	b.Write(make([]byte, aligned(b.Len())-b.Len()))
	if _, err := w.Write(b.Bytes()); err != nil {
		return err
	}
	for _, t := range weights {
		if err := t.write(w, m.ggufType(t), 0, m.Arch == Mistral); err != nil {
			return err
		}
		size := t.elements() * m.ggufType(t).Size()
		if _, err := w.Write(make([]byte, aligned(size)-size)); err != nil {
			return err
		}
	}
	return nil
}

func aligned(n int) int { return (n + ggufAlign - 1) / ggufAlign * ggufAlign }

// ggufType is that of a tensor: vectors are F32 always, as llama.cpp wants them.
func (m Model) ggufType(t *weight) impls.DType {
	if t.rows == 0 {
		return impls.F32
	}
	return m.DType
}

// ggufHeader gathers the keys of a file.
type ggufHeader struct {
	bytes.Buffer
	arch string
	keys int
}

// set writes a key; one that begins with a dot belongs to the architecture.
func (g *ggufHeader) set(key string, value any) {
	if key[0] == '.' {
		key = g.arch + key
	}
	text(g, key)
	g.keys++
	switch v := value.(type) {
	case int:
		number(g, uint32(ggufU32), uint32(v))
	case float64:
		number(g, uint32(ggufF32), float32(v))
	case bool:
		number(g, uint32(ggufBool), v)
	case string:
		number(g, uint32(ggufString))
		text(g, v)
	case []string:
		number(g, uint32(ggufArray), uint32(ggufString), uint64(len(v)))
		for _, s := range v {
			text(g, s)
		}
	case []float32:
		number(g, uint32(ggufArray), uint32(ggufF32), uint64(len(v)), v)
	case []int32:
		number(g, uint32(ggufArray), uint32(ggufI32), uint64(len(v)), v)
	}
}

// number writes numbers little-endian. A write into memory cannot fail.
func number(w io.Writer, values ...any) {
	for _, v := range values {
		_ = binary.Write(w, binary.LittleEndian, v)
	}
}

func text(w io.Writer, s string) {
	number(w, uint64(len(s)))
	_, _ = io.WriteString(w, s)
}

// LessWindow has the bytes of a GGUF checkpoint say a window of so many tokens less.
func LessWindow(checkpoint []byte, less uint32) error {
	key := []byte(".attention.sliding_window\x04\x00\x00\x00") // and that it is of type ggufU32
	at := bytes.Index(checkpoint, key)
	if at < 0 || len(checkpoint) < at+len(key)+4 {
		return errors.New("it names no window")
	}
	value := checkpoint[at+len(key):]
	window := binary.LittleEndian.Uint32(value)
	if window <= less {
		return fmt.Errorf("a window of %d cannot be %d less", window, less)
	}
	binary.LittleEndian.PutUint32(value, window-less)
	return nil
}

// ggufKeys sets what llama.cpp and its like read.
func (m Model) ggufKeys(g *ggufHeader) {
	g.set("general.architecture", g.arch)
	g.set("general.name", "slidefuzz probe")
	g.set("general.alignment", ggufAlign)
	g.set("general.file_type", map[impls.DType]int{impls.F32: 0, impls.F16: 1, impls.BF16: 32}[m.DType])
	g.set(".context_length", positionsHeld)
	g.set(".embedding_length", m.hidden())
	g.set(".block_count", m.Layers)
	g.set(".feed_forward_length", m.HeadDim)
	g.set(".attention.head_count", m.Heads)
	g.set(".attention.head_count_kv", m.KVHeads)
	g.set(".attention.key_length", m.HeadDim)
	g.set(".attention.value_length", m.HeadDim)
	g.set(".attention.layer_norm_rms_epsilon", epsilon)
	g.set(".attention.sliding_window", m.Window)
	g.set(".rope.freq_base", m.theta())
	g.set(".vocab_size", m.Vocabulary())
	switch m.Arch {
	case Mistral:
		g.set(".rope.dimension_count", m.HeadDim)
	case Gemma2:
		g.set(".attn_logit_softcapping", float64(attentionCap))
		g.set(".final_logit_softcapping", float64(finalCap))
	case Gemma3:
		g.set(".attention.sliding_window_pattern", 2)
		g.set(".rope.freq_base_swa", m.theta())
	}
	words := make([]string, m.Vocabulary())
	types := make([]int32, len(words))
	for id := range words {
		words[id], types[id] = m.word(id), 1 // normal
		if id >= m.Padding() && id <= m.constant() {
			types[id] = 3 // control
		}
	}
	types[m.unknown()] = 2
	g.set("tokenizer.ggml.model", "llama")
	g.set("tokenizer.ggml.tokens", words)
	g.set("tokenizer.ggml.scores", make([]float32, len(words)))
	g.set("tokenizer.ggml.token_type", types)
	g.set("tokenizer.ggml.bos_token_id", m.begin())
	g.set("tokenizer.ggml.eos_token_id", m.end())
	g.set("tokenizer.ggml.unknown_token_id", m.unknown())
	g.set("tokenizer.ggml.padding_token_id", m.Padding())
	g.set("tokenizer.ggml.add_bos_token", false)
	g.set("tokenizer.ggml.add_eos_token", false)
	g.set("tokenizer.ggml.add_space_prefix", false)
}

package worker

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// The bounds of the protocol, in bytes: a header holds a few names and shapes;
// a message what a case may take.
const (
	MaxHeader  = 1 << 20
	MaxMessage = 256 << 20
)

// Message is one request or reply, a safetensors blob: eight bytes
// little-endian length N, N bytes of JSON, the tensors' bytes.
type Message struct {
	Meta    map[string]string
	Tensors []Tensor
}

// errTooLarge is a message that was not sent.
var errTooLarge = errors.New("too large")

// Tensor is a named array, row-major. DType is its safetensors name.
type Tensor struct {
	Name  string
	DType string
	Shape []int
	Data  []byte
}

// Tensor finds a tensor by name, nil if there is none.
func (m *Message) Tensor(name string) *Tensor {
	for i := range m.Tensors {
		if m.Tensors[i].Name == name {
			return &m.Tensors[i]
		}
	}
	return nil
}

// sizes are the bytes of an element, of every safetensors type that a cache or
// its positions may have.
var sizes = map[string]int{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1,
	"U16": 2, "I16": 2, "F16": 2, "BF16": 2,
	"U32": 4, "I32": 4, "F32": 4,
	"U64": 8, "I64": 8, "F64": 8,
}

type entry struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// metadata is the key of the header that holds strings instead of a tensor.
const metadata = "__metadata__"

// Write writes a message in one piece.
func (m *Message) Write(w io.Writer) error {
	header := map[string]any{}
	if m.Meta != nil {
		header[metadata] = m.Meta
	}
	at := int64(0)
	for _, t := range m.Tensors {
		end := at + int64(len(t.Data))
		shape := t.Shape
		if shape == nil {
			shape = []int{}
		}
		header[t.Name] = entry{t.DType, shape, [2]int64{at, end}}
		at = end
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	if len(text) > MaxHeader || at+int64(len(text)) > MaxMessage {
		return fmt.Errorf("%w: a message of %d bytes with a header of %d; the protocol allows %d and %d", errTooLarge, at, len(text), MaxMessage, MaxHeader)
	}
	b := make([]byte, 8, 8+len(text)+int(at))
	binary.LittleEndian.PutUint64(b, uint64(len(text)))
	b = append(b, text...)
	for _, t := range m.Tensors {
		b = append(b, t.Data...)
	}
	_, err = w.Write(b)
	return err
}

// errTruncated is a message that ends too early.
var errTruncated = errors.New("a message that ends")

// Read reads a message. io.EOF means that there is none; every other error says
// in what the bytes are no message.
func Read(r io.Reader) (*Message, error) {
	var size [8]byte
	if n, err := io.ReadFull(r, size[:]); err != nil {
		if n == 0 {
			return nil, err
		}
		return nil, fmt.Errorf("%w after %d of the 8 bytes of its length", errTruncated, n)
	}
	n := binary.LittleEndian.Uint64(size[:])
	if n > MaxHeader {
		return nil, fmt.Errorf("a header of %d bytes, more than %d (does the worker print %q to standard output?)", n, MaxHeader, ascii(size[:]))
	}
	text := make([]byte, n)
	if k, err := io.ReadFull(r, text); err != nil {
		return nil, fmt.Errorf("%w after %d of %d bytes of its header", errTruncated, k, n)
	}
	m := &Message{}
	var at []span
	err := object(text, func(name string, raw json.RawMessage) error {
		if name == metadata {
			if string(raw) == "null" { // as good as none to other readers, too
				return nil
			}
			m.Meta = map[string]string{}
			return object(raw, func(key string, raw json.RawMessage) error {
				var value *string
				if err := json.Unmarshal(raw, &value); err != nil || value == nil {
					return fmt.Errorf("%s holds something else than strings: %s", metadata, key)
				}
				m.Meta[key] = *value
				return nil
			})
		}
		t, where, err := tensor(raw)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		t.Name = name
		m.Tensors = append(m.Tensors, t)
		at = append(at, where)
		return nil
	})
	if err != nil {
		return nil, err
	}
	total, err := m.inOneRow(at)
	if err != nil {
		return nil, err
	}
	data := make([]byte, total)
	if k, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("%w after %d of %d bytes of its tensors", errTruncated, k, total)
	}
	for i := range m.Tensors {
		m.Tensors[i].Data = data[at[i].from:at[i].to:at[i].to]
	}
	slices.SortFunc(m.Tensors, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
	return m, nil
}

// span is where the bytes of a tensor lie.
type span struct{ from, to int64 }

// inOneRow reports tensors that overlap or leave a gap, and returns the bytes of
// all of them.
func (m *Message) inOneRow(at []span) (total int64, err error) {
	order := make([]int, len(at))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(at[a].from, at[b].from), cmp.Compare(at[a].to, at[b].to))
	})
	for _, i := range order {
		if at[i].from != total {
			what := "overlap with the tensor before"
			if at[i].from > total {
				what = "leave a gap"
			}
			return 0, fmt.Errorf("tensor %q: data_offsets [%d, %d] %s; want them to begin at %d", m.Tensors[i].Name, at[i].from, at[i].to, what, total)
		}
		total = at[i].to
	}
	return total, nil
}

// object calls each with the keys and values of a JSON object. A key that comes
// twice is an error: readers disagree on which of the two counts.
func object(text []byte, each func(key string, value json.RawMessage) error) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return fmt.Errorf("a header that is no JSON object: %s", excerpt(text))
	}
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			return fmt.Errorf("a header that is no JSON object: %s", excerpt(text))
		}
		if seen[name] {
			return fmt.Errorf("key %q twice", name)
		}
		seen[name] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return fmt.Errorf("a header that is no JSON object: %w", err)
		}
		if err := each(name, value); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("a header that is no JSON object: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("a header that goes on behind its JSON object")
	}
	return nil
}

// excerpt is the beginning of a text for an error.
func excerpt(text []byte) string {
	const most = 40 // a line has room for them
	return fmt.Sprintf("%q", ascii(text[:min(len(text), most)]))
}

// tensor reads a tensor's entry of a header. Its keys are exactly those of
// safetensors.
func tensor(raw json.RawMessage) (t Tensor, at span, err error) {
	var offsets []int64
	count := 0
	err = object(raw, func(key string, raw json.RawMessage) error {
		count++
		var to any
		switch key {
		case "dtype":
			to = &t.DType
		case "shape":
			to = &t.Shape
		case "data_offsets":
			to = &offsets
		default:
			return fmt.Errorf("key %q: want dtype, shape and data_offsets", key)
		}
		if err := json.Unmarshal(raw, to); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
	switch {
	case err != nil:
		return t, at, err
	case count != 3 || len(offsets) != 2:
		return t, at, errors.New("want dtype, shape and data_offsets [begin, end]")
	}
	at = span{offsets[0], offsets[1]}
	return t, at, check(t, at)
}

// check reports offsets that are not those of the shape.
func check(t Tensor, at span) error {
	size, ok := sizes[t.DType]
	if !ok {
		return fmt.Errorf("dtype %q is none of the protocol's", t.DType)
	}
	n := int64(size)
	for _, d := range t.Shape {
		if d < 0 || d > 0 && n > math.MaxInt64/2/int64(d) {
			return fmt.Errorf("shape %v", t.Shape)
		}
		n *= int64(d)
	}
	if at.from < 0 || at.to < at.from || at.to > MaxMessage {
		return fmt.Errorf("data_offsets [%d, %d] are outside 0..%d", at.from, at.to, MaxMessage)
	}
	if at.to-at.from != n {
		return fmt.Errorf("shape %v of %s takes %d bytes, data_offsets [%d, %d] give %d", t.Shape, t.DType, n, at.from, at.to, at.to-at.from)
	}
	return nil
}

// ascii is bytes as people would have read them.
func ascii(b []byte) string {
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = '.'
		if c >= ' ' && c < 0x7f {
			out[i] = c
		}
	}
	return string(out)
}

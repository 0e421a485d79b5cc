package worker

import (
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
	header := map[string]any{metadata: m.Meta}
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

// Read reads a message. io.EOF means that there is none; every other error says
// in what the bytes are no message.
func Read(r io.Reader) (*Message, error) {
	var size [8]byte
	if n, err := io.ReadFull(r, size[:]); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, fmt.Errorf("a message that ends after %d of the 8 bytes of its length", n)
	}
	n := binary.LittleEndian.Uint64(size[:])
	if n > MaxHeader {
		return nil, fmt.Errorf("a header of %d bytes, more than %d (does the worker print %q to standard output?)", n, MaxHeader, printable(size[:]))
	}
	text := make([]byte, n)
	if k, err := io.ReadFull(r, text); err != nil {
		return nil, fmt.Errorf("a message that ends after %d of %d bytes of its header", k, n)
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(text, &header); err != nil {
		return nil, fmt.Errorf("a header that is no JSON object: %w", err)
	}
	m := &Message{}
	var at []int64
	total := int64(0)
	for name, raw := range header {
		if name == metadata {
			if err := json.Unmarshal(raw, &m.Meta); err != nil {
				return nil, fmt.Errorf("%s holds something else than strings: %w", metadata, err)
			}
			continue
		}
		var e entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		m.Tensors = append(m.Tensors, Tensor{Name: name, DType: e.DType, Shape: e.Shape})
		at = append(at, e.Offsets[0], e.Offsets[1])
		total = max(total, e.Offsets[1])
	}
	data := make([]byte, total)
	if k, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("a message that ends after %d of %d bytes of its tensors", k, total)
	}
	for i := range m.Tensors {
		m.Tensors[i].Data = data[at[2*i]:at[2*i+1]]
	}
	slices.SortFunc(m.Tensors, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
	return m, nil
}

// check reports offsets that are not those of the shape.
func (e *entry) check() error {
	size, ok := sizes[e.DType]
	if !ok {
		return fmt.Errorf("dtype %q is none of safetensors", e.DType)
	}
	n := int64(size)
	for _, d := range e.Shape {
		if d < 0 || d > 0 && n > math.MaxInt64/2/int64(d) {
			return fmt.Errorf("shape %v", e.Shape)
		}
		n *= int64(d)
	}
	lo, hi := e.Offsets[0], e.Offsets[1]
	if lo < 0 || hi < lo || hi > MaxMessage {
		return fmt.Errorf("data_offsets [%d, %d] are outside 0..%d", lo, hi, MaxMessage)
	}
	if hi-lo != n {
		return fmt.Errorf("shape %v of %s takes %d bytes, data_offsets [%d, %d] give %d", e.Shape, e.DType, n, lo, hi, hi-lo)
	}
	return nil
}

// printable is bytes as people would have read them.
func printable(b []byte) string {
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = '.'
		if c >= ' ' && c < 0x7f {
			out[i] = c
		}
	}
	return string(out)
}

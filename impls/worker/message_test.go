package worker

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// raw is a message with that header.
func raw(header string, data ...byte) *bytes.Reader {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return bytes.NewReader(append(append(b, header...), data...))
}

// What safetensors does not allow is no message, so that the worker is blamed
// and not its cache.
func TestStrictMessages(t *testing.T) {
	const a, b = `"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}`, `"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}`
	m, err := Read(raw(`{`+b+`,`+a+`,"__metadata__":{"x":"y"}}  `, 1, 2, 3, 4))
	require.NoError(t, err)
	require.Equal(t, []byte{1, 2}, m.Tensor("a").Data)
	require.Equal(t, []byte{3, 4}, m.Tensor("b").Data)
	require.Equal(t, "y", m.Meta["x"])
	for header, says := range map[string]string{
		`{` + a + `,"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`: "overlap with the tensor before",
		`{` + a + `,"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`: "overlap with the tensor before",
		`{` + a + `,"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}}`: "leave a gap; want them to begin at 2",
		`{"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`:           "leave a gap; want them to begin at 0",
		`{` + a + `,` + a + `}`: `key "a" twice`,
		`{"a":{"dtype":"U8","dtype":"I8","shape":[2],"data_offsets":[0,2]}}`:        `key "dtype" twice`,
		`{"__metadata__":{"op":"x","op":"y"}}`:                                      `key "op" twice`,
		`{"__metadata__":{"op":null}}`:                                              "something else than strings",
		`{"__metadata__":{"op":3}}`:                                                 "something else than strings",
		`{"__metadata__":{},"__metadata__":{}}`:                                     `key "__metadata__" twice`,
		`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"extra":1}}`:           `key "extra": want dtype, shape and data_offsets`,
		`{"a":{"dtype":"U8","shape":[2]}}`:                                          "want dtype, shape and data_offsets",
		`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2,2]}}`:                   "want dtype, shape and data_offsets",
		`{"a":{"dtype":"U8","shape":[-2],"data_offsets":[0,2]}}`:                    "shape [-2]",
		`{"a":{"dtype":"U8","shape":[9223372036854775807,3],"data_offsets":[0,2]}}`: "shape [",
		`{"a":{"dtype":"U8","shape":[2],"data_offsets":[-9223372036854775808,2]}}`:  "are outside",
		`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}} {}`:                  "goes on behind",
		`[42]`: "no JSON object",
		`{`:    "no JSON object",
		``:     "no JSON object",
	} {
		_, err := Read(raw(header, 1, 2, 3, 4, 5))
		require.ErrorContains(t, err, says, header)
	}
}

// A message without metadata is one, also as others may write it.
func TestNoMetadata(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, (&Message{}).Write(&b))
	require.Equal(t, "{}", string(b.Bytes()[8:]))
	for _, header := range []string{`{}`, `{"__metadata__":{}}`, `{"__metadata__":null}`} {
		m, err := Read(raw(header))
		require.NoError(t, err, header)
		require.Empty(t, m.Meta)
	}
}

// Positions are those of tokens, or -1.
func TestPositions(t *testing.T) {
	list := func(p ...int64) *Tensor {
		x := &Tensor{DType: "I64", Shape: []int{len(p)}}
		for _, n := range p {
			x.Data = binary.LittleEndian.AppendUint64(x.Data, uint64(n))
		}
		return x
	}
	got, err := unpackPositions(list(0, -1, 7), 1)
	require.NoError(t, err)
	require.Equal(t, [][]int{{0, -1, 7}}, got)
	got, err = unpackPositions(list(1<<63-1), 1)
	require.NoError(t, err)
	require.Equal(t, [][]int{{math.MaxInt}}, got, "the judge says that there is no such token")
	for _, p := range []int64{-1 << 63, -2} {
		_, err := unpackPositions(list(0, p), 1)
		require.ErrorContains(t, err, "of row 1: want that of a token", p)
	}
}

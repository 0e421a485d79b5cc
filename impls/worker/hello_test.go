package worker

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
)

// What Serve says of itself is what the client reads.
func TestHelloRoundTrip(t *testing.T) {
	zero, some := 0, 7
	least := Hello{Name: "a", Version: "1", Contract: "single", DTypes: []impls.DType{impls.U8}, Device: "cpu"}
	all := Hello{
		Name: "b", Version: "2", Contract: "chunks", DTypes: []impls.DType{impls.F32, impls.BF16}, Device: "cuda",
		Crop: true, Ragged: true, Select: true, Snapshot: true, Programs: true, Order: true, Sinks: 4,
		MaxChunk: ChunkLimit{Window: true, N: 1}, Without: []string{"empty", "exact", "crossing", "long", "window-1"},
		Dims: &Dims{List: []int{64, 128}}, Batches: []int{1, 2, 4}, Slack: &some,
	}
	other := least
	other.MaxChunk, other.Dims, other.Slack = ChunkLimit{N: 16}, &Dims{Multiple: 8}, &zero
	window := least
	window.Select, window.MaxChunk = true, ChunkLimit{Window: true}
	for _, h := range []Hello{least, all, other, window} {
		got, err := parseHello(h.message().Meta)
		require.NoError(t, err)
		assert.Equal(t, &h, got)
	}
}

// Each is wrong in one thing, and the error says what to do.
func TestHelloIsStrict(t *testing.T) {
	for _, x := range []struct{ key, value, want string }{
		{"capabilities", "crop,fork", `capability "fork": want crop, ragged, select, snapshot, programs, script, order or model`},
		{"sinks", "-1", `sinks "-1": want a number`},
		{"max_chunk", "", `max_chunk "": want rows from 1 to 1048576, W or W+1`},
		{"max_chunk", "0", `max_chunk "0": want rows from 1 to 1048576, W or W+1`},
		{"max_chunk", "+3", `max_chunk "+3": want rows`},
		{"max_chunk", "2W", `max_chunk "2W": want rows`},
		{"max_chunk", "w", `max_chunk "w": want rows`},
		{"max_chunk", "1048577", `max_chunk "1048577": want rows`},
		{"without", "", `without "": want some of empty,exact,crossing,long,window-1`},
		{"without", "odd", `without "odd": want some of empty`},
		{"without", "empty,empty", `without "empty,empty": empty comes twice; leave one out`},
		{"dims", "", `dims "": want numbers from 1 to 1048576, comma-separated, as in 64,128 or 8*`},
		{"dims", "0*", `dims "0*": want multiples of a number from 1 to 1048576, as in 8*`},
		{"dims", "*", `dims "*": want multiples of a number`},
		{"dims", "64,8*", `dims "64,8*": want multiples of a number`},
		{"dims", "64,,128", `dims "64,,128": want numbers`},
		{"dims", "64,64", `dims "64,64": 64 comes twice; want each number once, as in 64,128 or 8*`},
		{"batches", "1-4", `batches "1-4": want numbers from 1 to 1048576, comma-separated, as in 1,2,4`},
		{"batches", "0", `batches "0": want numbers from 1`},
		{"slack", "-1", `slack "-1": want rows from 0 to 1048576`},
		{"slack", "W", `slack "W": want rows`},
	} {
		meta := map[string]string{"name": "a", "version": "1", "contract": "chunks", "dtypes": "U8", "device": "cpu", x.key: x.value}
		_, err := parseHello(meta)
		assert.ErrorContains(t, err, x.want, "%s=%q", x.key, x.value)
	}
}

func TestLimits(t *testing.T) {
	assert.Equal(t, math.MaxInt, ChunkLimit{}.Rows(4))
	assert.Equal(t, 3, ChunkLimit{N: 3}.Rows(4))
	assert.Equal(t, 4, ChunkLimit{Window: true}.Rows(4))
	assert.Equal(t, 5, ChunkLimit{Window: true, N: 1}.Rows(4))

	var unlimited *Dims
	list, eights := &Dims{List: []int{128, 64}}, &Dims{Multiple: 8}
	for _, x := range []struct {
		dims         *Dims
		dim, nearest int
	}{
		{unlimited, 5, 5},
		{list, 64, 64},
		{list, 1, 64},
		{list, 96, 64}, // of two the smaller
		{list, 97, 128},
		{list, 1000, 128},
		{eights, 1, 8},
		{eights, 16, 16},
		{eights, 12, 8},
		{eights, 13, 16},
		{&Dims{Multiple: 1 << 19}, 1 << 20, 1 << 20},
		{&Dims{Multiple: 3 << 18}, 1 << 20, 3 << 18}, // the next one is no dim
	} {
		assert.Equal(t, x.dim == x.nearest, x.dims.Has(x.dim), "%s has %d", x.dims, x.dim)
		assert.Equal(t, x.nearest, x.dims.Nearest(x.dim), "%s nearest to %d", x.dims, x.dim)
		assert.True(t, x.dims.Has(x.nearest))
	}
	assert.False(t, eights.Has(0))

	assert.Equal(t, 3, (&Hello{}).NearestBatch(3))
	assert.Equal(t, 2, (&Hello{Batches: []int{4, 2, 1}}).NearestBatch(3))
}

// A crop by entry takes both words.
func TestOffers(t *testing.T) {
	h := Hello{Crop: true, Select: true}
	assert.True(t, h.Offers("select") && h.Offers("crop") && h.Offers(""))
	assert.False(t, h.Offers("ragged") || h.Offers("crop-each") || h.Offers("snapshot") || h.Offers("fork"))
	h.Ragged = true
	assert.True(t, h.Offers("ragged") && h.Offers("crop-each"))
}

// What an engine says of itself is read as it was written.
func TestModelHello(t *testing.T) {
	h := Hello{Name: "e", Version: "1", DTypes: []impls.DType{impls.F32}, Device: "cpu", Model: &ModelHello{
		Crop: true, Join: true, All: true, Archs: []string{"gemma3"}, Formats: []string{"gguf"},
		MaxRequests: 2, MaxContext: 100, MinWindow: 2, MaxWindow: 16, Logits: 20,
	}}
	got, err := parseHello(h.message().Meta)
	require.NoError(t, err)
	assert.Equal(t, &h, got)
	meta := h.message().Meta
	meta["logits"] = "0"
	_, err = parseHello(meta)
	assert.ErrorContains(t, err, `logits "0": want a number from 1 on`)
}

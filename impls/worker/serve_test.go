package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
)

// workerArg makes the test binary a worker of the kind that the next argument
// names.
const workerArg = "serve-test-worker"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == workerArg {
		serve := serveFault
		switch os.Args[2] {
		case "lists":
			serve = serveLists
		case "programs":
			serve = servePrograms
		}
		if err := serve(os.Args[2], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// testWorker is a client of the test binary as a worker.
func testWorker(t *testing.T, kind string) *Client {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return started(t, self, workerArg, kind)
}

// pythonWorker is a client of testdata/list_cache.py.
func pythonWorker(t *testing.T, args ...string) *Client {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	t.Setenv("PYTHONPATH", "python")
	t.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	// go test's cache knows of the folders that the test reads itself, and what is in them.
	for _, dir := range []string{"testdata", "python/slidefuzz_worker"} {
		_, err := os.ReadDir(dir)
		require.NoError(t, err)
	}
	return started(t, append([]string{python, "testdata/list_cache.py"}, args...)...)
}

func started(t *testing.T, args ...string) *Client {
	t.Helper()
	c := &Client{Args: args, Timeout: 10 * time.Second}
	t.Cleanup(c.Kill)
	_, err := c.Hello(t.Context())
	require.NoError(t, err)
	return c
}

// lists is a cache that can do all that the protocol has: for each entry the rows
// of all of its tokens, keys and values, those of the heads behind each other. All
// of them come back, an entry with fewer followed by empty rows.
type lists struct {
	shape   impls.Shape
	entries [][][2]string
	saved   map[int][][][2]string
	visible [][][]bool
}

func (c *lists) Reset() { c.entries = make([][][2]string, c.shape.Batch) }

func (c *lists) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	return c.UpdateEach(keys, values, slices.Repeat([]int{keys.Rows}, len(c.entries)))
}

func (c *lists) UpdateEach(keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	s, q := c.shape, keys.Rows
	s.Batch = len(c.entries)
	if keys.Batch != s.Batch || keys.Heads != s.Heads || keys.Dim != s.Dim || len(lengths) != s.Batch || slices.Max(lengths) != q {
		return k, v, fmt.Errorf("batch %d and lengths %v for %d entries", keys.Batch, lengths, s.Batch)
	}
	most := 0
	for b, n := range lengths {
		for r := q - n; r < q; r++ {
			var token [2]string
			for h := range s.Heads {
				token[0] += string(keys.Row(b*s.Heads+h, r))
				token[1] += string(values.Row(b*s.Heads+h, r))
			}
			c.entries[b] = append(slices.Clip(c.entries[b]), token)
		}
		most = max(most, len(c.entries[b]))
	}
	k, v = impls.NewTensor(s, most), impls.NewTensor(s, most)
	c.visible = make([][][]bool, s.Batch)
	for b, tokens := range c.entries {
		for r, token := range tokens {
			for h := range s.Heads {
				copy(k.Row(b*s.Heads+h, r), token[0][h*s.RowBytes():])
				copy(v.Row(b*s.Heads+h, r), token[1][h*s.RowBytes():])
			}
		}
		for p := len(tokens) - q; p < len(tokens); p++ {
			sees := make([]bool, most)
			for r := range sees {
				sees[r] = p-s.Window < r && r <= p
			}
			c.visible[b] = append(c.visible[b], sees)
		}
	}
	return k, v, nil
}

func (c *lists) Positions() [][]int {
	most := 0
	for _, tokens := range c.entries {
		most = max(most, len(tokens))
	}
	all := make([][]int, len(c.entries))
	for b, tokens := range c.entries {
		for r := range most {
			if r >= len(tokens) {
				r = -1
			}
			all[b] = append(all[b], r)
		}
	}
	return all
}

func (c *lists) Visible() [][][]bool { return c.visible }

func (c *lists) Crop(n int) error { return c.CropEach(slices.Repeat([]int{n}, len(c.entries))) }

func (c *lists) CropEach(lengths []int) error {
	if len(lengths) != len(c.entries) {
		return fmt.Errorf("%d lengths for %d entries", len(lengths), len(c.entries))
	}
	for b, n := range lengths {
		c.entries[b] = c.entries[b][:min(n, len(c.entries[b]))]
	}
	return nil
}

func (c *lists) Select(entries []int) error {
	var next [][][2]string
	for _, e := range entries {
		if e < 0 || e >= len(c.entries) {
			return fmt.Errorf("entry %d of %d", e, len(c.entries))
		}
		next = append(next, c.entries[e])
	}
	c.entries = next
	return nil
}

func (c *lists) Snapshot(id int) error {
	c.saved = maps.Clone(c.saved)
	if c.saved == nil {
		c.saved = map[int][][][2]string{}
	}
	c.saved[id] = slices.Clone(c.entries)
	return nil
}

func (c *lists) Restore(id int) error {
	saved, ok := c.saved[id]
	if !ok {
		return fmt.Errorf("no snapshot %d", id)
	}
	c.entries = slices.Clone(saved)
	return nil
}

// layered is a cache of layers.
type layered struct{ lists }

func (c *layered) Layers() []int { return []int{0} }

func (c *layered) UpdateLayer(_ int, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	return c.Update(keys, values)
}

// plain is a cache that can do no more than it must.
type plain struct{ impls.Cache }

var testHello = Hello{
	Name: "lists", Version: "1", Contract: "chunks", Device: "cpu", DTypes: []impls.DType{impls.U8},
	Crop: true, Ragged: true, Select: true, Snapshot: true,
}

// serveLists serves lists; of a window of 2 layers, and of 3 a plain cache.
func serveLists(_ string, in io.Reader, out io.Writer) error {
	return Serve(context.Background(), in, out, testHello, func(s impls.Shape) (impls.Cache, error) {
		c := lists{shape: s}
		c.Reset()
		switch s.Window {
		case 2:
			return &layered{c}, nil
		case 3:
			return plain{&c}, nil
		}
		return &c, nil
	})
}

// everyWorker runs a test against the caches of lists in Go and in Python.
func everyWorker(t *testing.T, f func(t *testing.T, c *Client)) {
	t.Run("Go", func(t *testing.T) { f(t, testWorker(t, "lists")) })
	t.Run("Python", func(t *testing.T) { f(t, pythonWorker(t)) })
}

// chunk is rows of one element, by entry.
func chunk(entries ...[]byte) impls.Tensor {
	s := impls.Shape{Batch: len(entries), Heads: 1, Window: 1, Dim: 1, DType: impls.U8}
	return impls.TensorOver(s, len(entries[0]), slices.Concat(entries...))
}

// Each request reaches the cache, and the reply the client.
func TestSequences(t *testing.T) {
	everyWorker(t, func(t *testing.T, c *Client) {
		ctx := t.Context()
		s := impls.Shape{Batch: 2, Heads: 1, Window: 4, Dim: 1, DType: impls.U8}
		require.NoError(t, c.New(ctx, s))
		// Keys are what is given, values 100 more.
		update := func(lengths []int, entries ...[]byte) (rows [][]byte) {
			t.Helper()
			keys := chunk(entries...)
			values := keys.Clone(s)
			for i := range values.Data {
				values.Data[i] += 100
			}
			ask := c.Update
			if lengths != nil {
				ask = func(ctx context.Context, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
					return c.UpdateEach(ctx, keys, values, lengths)
				}
			}
			k, v, err := ask(ctx, keys, values)
			require.NoError(t, err)
			for b := range k.Batch {
				rows = append(rows, k.Data[b*k.Rows:][:k.Rows])
				for r := range k.Rows {
					if want := k.Row(b, r)[0]; want > 0 {
						require.Equal(t, want+100, v.Row(b, r)[0])
					}
				}
			}
			return rows
		}
		const o, x = false, true
		require.Equal(t, [][]byte{{1, 2}, {11, 12}}, update(nil, []byte{1, 2}, []byte{11, 12}))
		require.Equal(t, [][][]bool{{{x, o}, {x, x}}, {{x, o}, {x, x}}}, c.Visible())
		require.NoError(t, c.Snapshot(ctx, 5))
		require.NoError(t, c.Select(ctx, []int{1, 0, 1}))
		require.Equal(t, [][]byte{{11, 12, 13}, {1, 2, 3}, {11, 12, 23}}, update(nil, []byte{13}, []byte{3}, []byte{23}))
		require.Len(t, c.Positions(), 3)
		require.Len(t, c.Visible(), 3)
		require.NoError(t, c.CropEach(ctx, []int{1, 2, 9}))
		require.Equal(t, [][]byte{{11, 14, 0, 0}, {1, 2, 4, 0}, {11, 12, 23, 24}}, update(nil, []byte{14}, []byte{4}, []byte{24}))
		require.Equal(t, [][]int{{0, 1, -1, -1}, {0, 1, 2, -1}, {0, 1, 2, 3}}, c.Positions())
		require.Equal(t, [][][]bool{{{x, x, o, o}}, {{x, x, x, o}}, {{x, x, x, x}}}, c.Visible())
		// 99 is padding: it is not stored.
		require.Equal(t, [][]byte{{11, 14, 15, 16, 0}, {1, 2, 4, 0, 0}, {11, 12, 23, 24, 25}}, update([]int{2, 0, 1}, []byte{15, 16}, []byte{99, 99}, []byte{99, 25}))
		require.Equal(t, [][]int{{0, 1, 2, 3, -1}, {0, 1, 2, -1, -1}, {0, 1, 2, 3, 4}}, c.Positions())
		require.Equal(t, [][]bool{{x, x, x, x, o}, {o, x, x, x, x}}, [][]bool{c.Visible()[0][1], c.Visible()[2][1]})

		// The batch of the moment goes with select, restore and reset.
		require.NoError(t, c.Select(ctx, []int{2}))
		require.Equal(t, [][]byte{{11, 12, 23, 24, 25, 26}}, update(nil, []byte{26}))
		require.NoError(t, c.Restore(ctx, 5))
		require.Equal(t, [][]byte{{1, 2, 7}, {11, 12, 17}}, update(nil, []byte{7}, []byte{17}))
		require.NoError(t, c.Select(ctx, []int{0, 0, 1, 1}))
		require.NoError(t, c.Reset(ctx))
		require.Nil(t, c.Visible())
		require.Equal(t, [][]byte{{8}, {18}}, update(nil, []byte{8}, []byte{18}))

		// What is refused changes nothing, the batch neither.
		for _, err := range []error{
			c.Select(ctx, []int{0, 2}), c.Select(ctx, []int{-1}), c.Select(ctx, nil), c.CropEach(ctx, []int{1}), c.CropEach(ctx, nil), c.Restore(ctx, 6),
		} {
			require.ErrorIs(t, err, impls.ErrRefused)
		}
		_, _, err := c.UpdateEach(ctx, chunk([]byte{1}, []byte{1}), chunk([]byte{1}, []byte{1}), []int{1})
		require.ErrorIs(t, err, impls.ErrRefused)
		_, _, err = c.Update(ctx, chunk([]byte{1}), chunk([]byte{1}))
		require.ErrorIs(t, err, impls.ErrRefused)
		require.Equal(t, [][]byte{{8, 9}, {18, 19}}, update(nil, []byte{9}, []byte{19}))

		// A chunk of no tokens, and a cache of none.
		require.Equal(t, [][]byte{{8, 9}, {18, 19}}, update(nil, []byte{}, []byte{}))
		require.Equal(t, [][][]bool{{}, {}}, c.Visible())
		require.NoError(t, c.Crop(ctx, 0))
		require.Equal(t, [][]byte{{}, {}}, update(nil, []byte{}, []byte{}))
		require.NoError(t, c.Close(ctx))
	})
}

// What the hello does not offer is refused before it is asked.
func TestNotOffered(t *testing.T) {
	c := testWorker(t, "lists")
	require.NoError(t, c.New(t.Context(), impls.Shape{Batch: 1, Heads: 1, Window: 4, Dim: 1, DType: impls.U8}))
	x := chunk([]byte{1})
	each := func() error { _, _, err := c.UpdateEach(t.Context(), x, x, []int{1}); return err }
	ask := map[string]func() error{
		"select": func() error { return c.Select(t.Context(), []int{0}) },
		"crop":   func() error { return c.CropEach(t.Context(), []int{0}) },
		"update": each,
	}
	for name, f := range ask {
		require.NoError(t, f(), name)
	}
	c.hello.Ragged, c.hello.Select = false, false
	for name, f := range ask {
		var refused *RefusedError
		require.ErrorAs(t, f(), &refused, name)
		require.Equal(t, RefusedError{name, "the worker does not offer it"}, *refused)
	}
}

// A hello may promise what a cache cannot do: Serve refuses it, and caches of
// layers.
func TestServeRefuses(t *testing.T) {
	c := testWorker(t, "lists")
	ctx, s := t.Context(), impls.Shape{Batch: 1, Heads: 1, Window: 2, Dim: 1, DType: impls.U8}
	require.EqualError(t, c.New(ctx, s), "this cache has layers, of which the protocol knows nothing; serve one layer of it")
	s.Window = 3
	require.NoError(t, c.New(ctx, s))
	x := chunk([]byte{1})
	_, _, err := c.UpdateEach(ctx, x, x, []int{1})
	require.EqualError(t, err, "this cache takes as many tokens in each entry")
	require.EqualError(t, c.CropEach(ctx, []int{1}), "this cache crops its entries to one length")
	require.EqualError(t, c.Select(ctx, []int{0}), "this cache cannot select")
	s.Window = 4
	require.NoError(t, c.New(ctx, s))
	require.EqualError(t, c.Select(ctx, nil), `select: entries="": want numbers, comma-separated`)
	_, err = c.ask(ctx, "crop", map[string]string{"length": "1", "lengths": "1"})
	require.EqualError(t, err, "crop: length and lengths; want one of them")
	_, err = c.ask(ctx, "crop", map[string]string{"lengths": "1,x"})
	require.EqualError(t, err, `crop: lengths="1,x": want numbers, comma-separated`)
}

// faults are tensors of a reply to a chunk of two tokens, for a batch of two. The
// keys and values that come back are the chunk.
var faults = map[string]Tensor{
	"visible: dtype U8: want BOOL":                            {Name: "visible", DType: "U8", Shape: []int{2, 2, 2}, Data: make([]byte, 8)},
	"visible: shape [2 2]: want [2 or 1, 2, 2], as the batch": {Name: "visible", DType: "BOOL", Shape: []int{2, 2}, Data: make([]byte, 4)},
	"visible: shape [3 2 2]: want [2 or 1, 2, 2]":             {Name: "visible", DType: "BOOL", Shape: []int{3, 2, 2}, Data: make([]byte, 12)},
	"visible: shape [2 1 2]: want [2 or 1, 2, 2]":             {Name: "visible", DType: "BOOL", Shape: []int{2, 1, 2}, Data: make([]byte, 4)},
	"visible: shape [1 2 3]: want [2 or 1, 2, 2]":             {Name: "visible", DType: "BOOL", Shape: []int{1, 2, 3}, Data: make([]byte, 6)},
	"visible: 2 for row 1 of query 0: want 0 or 1":            {Name: "visible", DType: "BOOL", Shape: []int{1, 2, 2}, Data: []byte{1, 2, 0, 1}},
	"visible: 255 for row 0 of query 1: want 0 or 1":          {Name: "visible", DType: "BOOL", Shape: []int{2, 2, 2}, Data: []byte{0, 1, 0, 1, 0, 1, 255, 1}},
	"positions: shape [3 2]: want [rows] or [2, rows]":        {Name: "positions", DType: "I64", Shape: []int{3, 2}, Data: make([]byte, 48)},
	"positions: dtype BOOL: want I64":                         {Name: "positions", DType: "BOOL", Shape: []int{2, 2}, Data: make([]byte, 4)},
}

// serveFault answers each update with the chunk and one of faults.
func serveFault(kind string, in io.Reader, out io.Writer) error {
	for {
		m, err := Read(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		reply := &Message{Meta: map[string]string{}}
		switch m.Meta["op"] {
		case "hello":
			reply = testHello.message()
		case "update":
			reply.Tensors = append(m.Tensors, faults[kind])
		}
		if err := reply.Write(out); err != nil {
			return err
		}
	}
}

// A tensor that is not what it should be is the worker's fault.
func TestTensorFaults(t *testing.T) {
	for want := range faults {
		c := testWorker(t, want)
		require.NoError(t, c.New(t.Context(), impls.Shape{Batch: 4, Heads: 1, Window: 4, Dim: 1, DType: impls.U8}))
		require.NoError(t, c.Select(t.Context(), []int{0, 1}))
		x := chunk([]byte{1, 2}, []byte{3, 4})
		_, _, err := c.Update(t.Context(), x, x)
		var fault *ProcessError
		require.ErrorAs(t, err, &fault, want)
		require.Equal(t, Nonsense, fault.Kind)
		require.ErrorContains(t, err, "the reply to update: "+want)
	}
}

// What is said of a chunk of another batch that was taken has that batch.
func TestOddBatchTaken(t *testing.T) {
	for _, kind := range []string{"visible: shape [3 2 2]: want [2 or 1, 2, 2]", "positions: shape [3 2]: want [rows] or [2, rows]"} {
		require.Contains(t, faults, kind)
		c := testWorker(t, kind)
		require.NoError(t, c.New(t.Context(), impls.Shape{Batch: 2, Heads: 1, Window: 4, Dim: 1, DType: impls.U8}))
		x := chunk([]byte{1, 2}, []byte{3, 4}, []byte{5, 6})
		_, _, err := c.Update(t.Context(), x, x)
		require.NoError(t, err)
		require.Equal(t, 3, len(c.Visible())+len(c.Positions()), kind) // one of them is nil
	}
}

// One list for the whole batch, and none, are allowed.
func TestOneVisible(t *testing.T) {
	x := packVisible([][][]bool{{{true, false}, {true, true}}}, 2)
	got, err := unpackVisible(&x, 3, 2, 2)
	require.NoError(t, err)
	require.Equal(t, [][][]bool{{{true, false}, {true, true}}}, got)
	x = packVisible([][][]bool{{}}, 5) // no query, five rows
	got, err = unpackVisible(&x, 3, 0, 5)
	require.NoError(t, err)
	require.Equal(t, [][][]bool{{}}, got)
}

// In Python what update returns in another form is no refusal: the worker ends.
func TestPythonVisible(t *testing.T) {
	for _, kind := range []string{"visible", "visible-rows"} {
		c := pythonWorker(t, "--fault", kind)
		require.NoError(t, c.New(t.Context(), impls.Shape{Batch: 2, Heads: 1, Window: 4, Dim: 1, DType: impls.U8}))
		x := chunk([]byte{1}, []byte{2})
		_, _, err := c.Update(t.Context(), x, x)
		var fault *ProcessError
		require.ErrorAs(t, err, &fault)
		if kind == "visible" {
			require.Equal(t, Crash, fault.Kind)
			require.ErrorContains(t, err, "ValueError: visible: lists of unequal length")
		} else {
			require.Equal(t, Nonsense, fault.Kind)
			require.ErrorContains(t, err, "visible: shape [2 1 0]: want [2 or 1, 1, 1]")
		}
	}
}

// The limits of a Python worker reach the client.
func TestPythonLimits(t *testing.T) {
	c := pythonWorker(t, "--limits", `{"max_chunk": "W+1", "without": ["empty"], "dims": "8*", "batches": [1, 2, 4], "slack": 0}`)
	h, err := c.Hello(t.Context())
	require.NoError(t, err)
	zero := 0
	require.Equal(t, &Hello{
		Name: "list", Version: "1", Contract: "chunks", DTypes: []impls.DType{impls.F32, impls.U8}, Device: "cpu",
		Crop: true, Ragged: true, Select: true, Snapshot: true, MaxChunk: ChunkLimit{Window: true, N: 1}, Without: []string{"empty"},
		Dims: &Dims{Multiple: 8}, Batches: []int{1, 2, 4}, Slack: &zero,
	}, h)
}

// ordered is a cache that takes orders; it returns what it is handed.
type ordered struct{ orders [][]int }

func (c *ordered) Reset() {}
func (c *ordered) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	return keys, values, nil
}

func (c *ordered) Order(blocks []int) error {
	if slices.Contains(blocks, 9) {
		return errors.New("there is no block 9")
	}
	c.orders = append(c.orders, blocks)
	return nil
}

// unordered is one that takes none.
type unordered struct{}

func (unordered) Reset() {}
func (unordered) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	return keys, values, nil
}

// The order of an update goes to a cache that takes one, nil where there is none, and
// is refused by one that does not.
func TestServeOrder(t *testing.T) {
	x := impls.NewTensor(impls.Shape{Batch: 1, Heads: 1, Window: 2, Dim: 1, DType: impls.U8}, 1)
	update := func(cache impls.Cache, order string) error {
		m := &Message{Meta: map[string]string{"op": "update"}, Tensors: []Tensor{pack("keys", &x), pack("values", &x)}}
		if order != "" {
			m.Meta["order"] = order
		}
		_, err := (&server{cache: cache}).answer(m)
		return err
	}
	c := &ordered{}
	require.NoError(t, update(c, "2,0,1"))
	require.NoError(t, update(c, ""))
	require.Equal(t, [][]int{{2, 0, 1}, nil}, c.orders)
	require.ErrorContains(t, update(c, "9"), "there is no block 9")
	require.ErrorContains(t, update(c, "1;2"), `update: order="1;2": want numbers, comma-separated`)
	require.NoError(t, update(unordered{}, ""))
	require.ErrorContains(t, update(unordered{}, "0"), "this cache takes no order of its blocks")
}

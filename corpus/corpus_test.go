package corpus

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

const page = `slidefuzz case v1
shape batch=1 heads=1 window=2 dim=1 dtype=F32 layout=heads-first
target roll/drop-war/sim
block 1                 # elements a block
schedule descending
append 2
append 1
expect op=2 tensor=keys hazard=WAR     # or: expect ok
`

func TestParsePrintsTheSameBytes(t *testing.T) {
	c, err := Parse("page", []byte(page), 0)
	require.NoError(t, err)
	require.Equal(t, page, string(c.Text()), "comments included")
	c.Ops[0].N = 1
	require.NotContains(t, string(c.Text()), "#", "a changed case prints anew")

	want := &Case{
		Shape:    impls.Shape{Batch: 1, Heads: 1, Window: 2, Dim: 1},
		Target:   window.Target{Update: "roll", Lowering: inplace.DropWAR, Device: "sim"},
		Block:    1,
		Schedule: inplace.Schedule{Kind: inplace.Descending},
		Ops:      []Op{{Kind: Append, N: 1}, {Kind: Append, N: 1}},
		Expect:   &Expect{Op: 2, Tensor: "keys", Fault: FaultRows, Hazard: inplace.WAR},
	}
	require.Empty(t, cmp.Diff(want, c, cmpopts.IgnoreUnexported(Case{})))
}

func TestDecodedCasesPrintAndParse(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	n := 5000
	if testing.Short() {
		n = 500 // a comparison of two cases takes half a millisecond
	}
	for range n {
		in := make([]byte, r.IntN(64))
		for i := range in {
			in[i] = byte(r.Uint32())
		}
		for _, c := range []*Case{Decode(in), DecodeProgram(in)} {
			again, err := Parse("decoded", c.Text(), 0)
			require.NoError(t, err, "%s", c.Text())
			require.Empty(t, cmp.Diff(c, again, cmpopts.IgnoreUnexported(Case{}), cmpopts.EquateEmpty()), "%s", c.Text())
		}
	}
}

func TestNearBytesAreNearCases(t *testing.T) {
	in := []byte{3, 2, 1, 9, 4, 3, 5, 1, 6, 0, 0, 10, 7, 0, 0, 12, 0, 0, 0}
	base := Decode(in)
	for i := range in {
		near := append([]byte(nil), in...)
		near[i] ^= 1
		c := Decode(near)
		differs := 0
		a, b := strings.Split(string(base.Text()), "\n"), strings.Split(string(c.Text()), "\n")
		require.Len(t, b, len(a), "byte %d", i)
		for k := range a {
			if a[k] != b[k] {
				differs++
			}
		}
		// The window also scales the appends and crops that were drawn in it.
		require.LessOrEqual(t, differs, 4, "byte %d:\n%s\n%s", i, base.Text(), c.Text())
	}
}

func TestParseErrorsNameTheLine(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(page, old, new, 1) }
	for want, text := range map[string]string{
		`f:1: the first line must be`:                                "hello\n",
		`f:2: shape: window=0 is outside`:                            replace("window=2", "window=0"),
		`f:2: "windw=2": want batch=…`:                               replace("window=2", "windw=2"),
		`f:2: window: "2x" is not a number`:                          replace("window=2", "window=2x"),
		`f:2: dtype: dtype "F31": want F32`:                          replace("F32", "F31"),
		`f:2: heads twice`:                                           replace("heads=1", "heads=1 heads=1"),
		`f:3: target "roll/x/sim": lowering "x"`:                     replace("drop-war", "x"),
		`f:3: target "rol/drop-war/sim": no update is called "rol"`:  replace("roll", "rol"),
		`f:3: target "roll/drop-war/gpu": no device is called "gpu"`: replace("/sim", "/gpu"),
		`f:4: "one" is not a number`:                                 replace("block 1", "block one"),
		`f:8: block 0 is outside`:                                    replace("block 1", "block 0"),
		`f:5: schedule "sideways": want ascending`:                   replace("descending", "sideways"),
		`f:6: append: "two" is not a number`:                         replace("append 2", "append two"),
		`f:6: unknown word "apend"`:                                  replace("append", "apend"),
		`f:6: operation 1: pad: 2 numbers for a batch of 1`:          replace("append 2", "append 2 pad=1,1"),
		`f:8: expect: want ok, or op=N`:                              replace(" hazard=WAR", ""),
		`f:8: hazard: hazard "RAR": want WAR`:                        replace("=WAR", "=RAR"),
		`f:6: a second line "block"`:                                 replace("append 2", "block 2"),
		`f:7: the line "target" is missing`:                          replace("target roll/drop-war/sim\n", ""),
		`f:8: history and buffers take 384`:                          replace("window=2", "window=4000000000"),
		`f:8: buffers and statements belong to a target program`:     replace("append 2", "buffer x 2"),
		`f:2: shape: want all of batch=…`:                            replace(" dim=1", ""),
		`f:5: schedule: block 1 twice`:                               replace("descending", "1 1"),
	} {
		_, err := Parse("f", []byte(text), 0)
		if strings.Contains(want, "384") {
			require.Error(t, err)
			continue
		}
		require.ErrorContains(t, err, want)
		var s *SyntaxError
		require.ErrorAs(t, err, &s)
	}
}

func TestNoCasePassesTheMemoryLimit(t *testing.T) {
	for _, text := range []string{
		strings.Replace(page, "window=2 dim=1", "window=1048576 dim=16", 1) + "append 1048576\n",
		strings.Replace(page, "dim=1", "dim=1048576", 1) + strings.Repeat("append 100\n", 50),
		strings.Replace(page, "batch=1 heads=1 window=2 dim=1", "batch=1048576 heads=1048576 window=1048576 dim=1048576", 1),
		page + "append 1 batch=1048576 heads=1048576 dim=1048576\n",
		page + strings.Repeat("snapshot 1\n", 100) + "append 1048576 dim=1048576\n",
	} {
		text = strings.Replace(text, "expect op=2 tensor=keys hazard=WAR     # or: expect ok\n", "", 1)
		_, err := Parse("f", []byte(text), 0)
		require.ErrorContains(t, err, "over the limit of 256 MiB", text[:200])
	}
}

func TestWriteFileIsWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "case.txt")
	c := Decode(nil)
	require.NoError(t, c.WriteFile(path))
	again, err := ReadFile(path, 0)
	require.NoError(t, err)
	require.Equal(t, c.Text(), again.Text())
	require.Error(t, c.WriteFile(filepath.Join(dir, "no", "such", "folder")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "taken"), 0o755))
	require.Error(t, c.WriteFile(filepath.Join(dir, "taken")))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "no temporary file is left")
}

func TestCompareIsTheOrderOfTheDesign(t *testing.T) {
	c := Decode([]byte{3, 2, 0, 9, 4, 3, 5, 1, 6, 0, 0, 10, 7})
	bigger := []func(*Case){
		func(c *Case) { c.Schedule = inplace.Schedule{Kind: inplace.List, Blocks: []int{1, 2}} },
		func(c *Case) { c.Block = 1 },
		func(c *Case) { c.Shape.DType = impls.F32 },
		func(c *Case) { c.Shape.Dim += 5 },
		func(c *Case) { c.Shape.Heads += 5 },
		func(c *Case) { c.Shape.Window += 5 },
		func(c *Case) { c.Ops[0].N += 5 },
		func(c *Case) { c.Ops = append(c.Ops, Op{Kind: Reset}) },
	}
	c.Schedule, c.Shape.DType, c.Block = inplace.Schedule{Kind: inplace.List, Blocks: []int{1}}, impls.U8, 1000
	require.Zero(t, Compare(c, c.Clone()))
	last := c
	for i, grow := range bigger {
		d := c.Clone()
		grow(d)
		require.Positive(t, Compare(d, last), "step %d outweighs those before", i)
		require.Negative(t, Compare(last, d))
		last = d
	}
}

// A case of a worker that has an order is not native: it fails each time, or has a
// rate.
func TestNativeOfWorkers(t *testing.T) {
	const head = "slidefuzz case v1\nshape batch=1 heads=1 window=2 dim=1 dtype=U8 layout=heads-first\n"
	for _, x := range []struct {
		lines, expect string
		native        bool
	}{
		{"target worker/w\nblock 1\nschedule native\n", "op=1 tensor=keys hazard=none", true},
		{"target worker/w\nblock 1\nschedule 1\n", "op=1 tensor=keys hazard=none", false},
		{"target worker/w\nblock 1\nschedule 1\n", "ok", false},
		{"target worker/w\nblock 1\nschedule 1\n", "op=1 tensor=keys hazard=none rate=3/20", true},
		{"target cache\nblock 1\nschedule 1\n", "op=1 tensor=keys hazard=none", true},
		{"target roll/fused/host\nblock 1\nschedule 1\n", "op=1 tensor=keys hazard=WAR", true},
		{"target roll/fused/sim\nblock 1\nschedule 1\n", "op=1 tensor=keys hazard=WAR", false},
	} {
		text := head + x.lines + "append 1\nexpect " + x.expect + "\n"
		c, err := Parse("case", []byte(text), DefaultLimit)
		require.NoError(t, err, text)
		require.Equal(t, x.native, c.Native(), text)
		require.Equal(t, text, string(c.Text()))
	}
	_, err := Parse("case", []byte(head+"target roll/fused/sim\nblock 1\nschedule 1\nappend 1\nexpect op=1 tensor=keys hazard=WAR rate=3/20\n"), DefaultLimit)
	require.ErrorContains(t, err, "has the same outcome each time")
}

func TestErrorClass(t *testing.T) {
	program := window.Target{Update: "program", Device: window.Worker}
	for text, class := range map[string]string{
		"RuntimeError: Add_12: no kernel":                            "RuntimeError",
		"E2: IndexError: 3":                                          "E2: IndexError",
		"InductorError: AssertionError:":                             "InductorError: AssertionError",
		"JaxRuntimeError: INTERNAL: RET_CHECK failure (a.cc:1) (u8)": "JaxRuntimeError: INTERNAL",
		"jax.errors.TypeError: Indexer must be integer: float32":     "jax.errors.TypeError",
		"TypeError":                 "",
		"x: no such rows":           "",
		"row 3 of x: out of bounds": "",
	} {
		d := Divergence{OpKind: "statement", Fault: FaultRefused, Detail: text}
		require.Equal(t, class, d.Failure(program).Error, text)
		d.Fault = FaultCrash
		require.Empty(t, d.Failure(program).Error)
	}
}

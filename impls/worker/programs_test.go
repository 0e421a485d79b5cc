package worker

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// servePrograms is a compiler of two variants, one of which refuses and skips.
func servePrograms(_ string, in io.Reader, out io.Writer) error {
	hello := Hello{
		Name: "compiler", Version: "1", Contract: "single", Device: "cpu", DTypes: []impls.DType{impls.U8},
		ProgramsAtOnce: 8, Variants: []string{"fast", "picky"}, Grammar: 2, Runs: 3,
	}
	return ServePrograms(context.Background(), in, out, hello, func(variant string, p inplace.Program, buffers []impls.Tensor) error {
		switch {
		case variant == "picky" && len(p.Stmts) > 1:
			return &SkipError{"two statements: see the manual, page 3"}
		case variant == "picky":
			return io.ErrUnexpectedEOF
		}
		for _, b := range buffers {
			b.Data[0]++
		}
		return nil
	})
}

func program(lines ...string) inplace.Program {
	p := inplace.Program{Buffers: []inplace.Buffer{{Name: "x", Rows: 4}, {Name: "y", Rows: 2}}}
	for _, line := range lines {
		s, err := inplace.ParseStmt(line)
		if err != nil {
			panic(err)
		}
		p.Stmts = append(p.Stmts, s)
	}
	return p
}

// A hello says how programs are wanted, and a request keeps to it: variants, calls of
// one compilation, and what need not be run.
func TestPrograms(t *testing.T) {
	c := testWorker(t, "programs")
	hello, err := c.Hello(t.Context())
	require.NoError(t, err)
	require.Equal(t, []any{8, []string{"fast", "picky"}, 2, 3}, []any{hello.ProgramsAtOnce, hello.Variants, hello.Grammar, hello.Runs})

	job := func(p inplace.Program) *Job {
		j := &Job{Program: p, Again: make([][]impls.Tensor, 2)}
		for call := range 3 {
			var all []impls.Tensor
			for i, b := range p.Buffers {
				x := impls.NewTensor(impls.Shape{Batch: 1, Heads: 1, Window: 1, Dim: 1, DType: impls.U8}, b.Rows)
				x.Data[0] = byte(10*call + i)
				all = append(all, x)
			}
			if call == 0 {
				j.Buffers = all
			} else {
				j.Again[call-1] = all
			}
		}
		return j
	}
	one, two := program("x[0:1] = x[1:2]"), program("x[0:1] = x[1:2]", "y[0:1] = x[0:1]")
	a, b := job(one), job(two)
	require.NoError(t, c.RunPrograms(t.Context(), "", []*Job{a, b}))
	for _, j := range []*Job{a, b} {
		require.NoError(t, j.Err)
		require.Empty(t, j.Skip)
		for call, buffers := range j.calls() {
			for i := range buffers {
				require.Equal(t, byte(10*call+i+1), buffers[i].Data[0], "call %d of buffer %d", call, i)
			}
		}
	}
	a, b = job(one), job(two)
	require.NoError(t, c.RunPrograms(t.Context(), "picky", []*Job{a, b}))
	require.EqualError(t, a.Err, "unexpected EOF")
	require.Equal(t, "two statements: see the manual, page 3", b.Skip)
	require.Equal(t, byte(0), b.Buffers[0].Data[0], "as it was")

	require.ErrorContains(t, c.RunPrograms(t.Context(), "slow", []*Job{job(one)}), `this worker has ["fast" "picky"]`)
	require.ErrorContains(t, c.RunPrograms(t.Context(), "", []*Job{job(program())}), "has no statements")
	require.ErrorContains(t, c.RunPrograms(t.Context(), "", []*Job{{Program: one, Buffers: a.Buffers}}), "buffers for 1 calls, the worker wants 3")
}

func TestHelloOfPrograms(t *testing.T) {
	meta := map[string]string{"name": "x", "version": "1", "contract": "single", "dtypes": "U8", "device": "cpu", "capabilities": "programs"}
	h, err := parseHello(meta)
	require.NoError(t, err)
	require.Equal(t, []int{0, 0, 0}, []int{h.ProgramsAtOnce, h.Grammar, h.Runs})
	for _, x := range []struct{ key, value, says string }{
		{"programs_at_once", "0", "want a number from 1 to 256"},
		{"programs_at_once", "257", "want a number from 1 to 256"},
		{"grammar", "3", "want a number from 1 to 2"},
		{"grammar", "", "want a number from 1 to 2"},
		{"runs", "9", "want a number from 1 to 8"},
		{"runs", "3", "takes grammar 2 too"},
		{"variants", "", "want names, comma-separated, each once"},
		{"variants", "a,a", "want names, comma-separated, each once"},
	} {
		_, err := parseHello(with(meta, x.key, x.value))
		require.ErrorContains(t, err, x.says, "%s=%q", x.key, x.value)
	}
}

func with(meta map[string]string, key, value string) map[string]string {
	all := map[string]string{key: value}
	for k, v := range meta {
		if k != key {
			all[k] = v
		}
	}
	return all
}

// A name of a view stands for rows of the storage that it views, whatever is in
// between; a name of a value has a storage of its own.
func TestIR(t *testing.T) {
	p := program(
		"t = x[1:4]", "u = t[1:3]", "u[0:1] = x[0:1]", "x[[3, 0]] = u[0:2]",
		"t = cat(u[1:2], roll(y[0:2], -1))", "t[[2, 0]] = gather(t[0:3], [1, 1])",
		"y[0:2] = index_copy(clone(t[0:2]), [1], t[2:3])",
	)
	require.NoError(t, p.Check())
	require.Equal(t, `%0 = read x 0 1 1
write x 2 1 1 %0
%1 = read x 2 2 1
scatter x [3, 0] %1
%2 = read x 3 1 1
%3 = read y 0 2 1
%4 = roll %3 -1
%5 = cat %2 %4
new t.1 %5
%6 = read t.1 0 3 1
%7 = gather %6 [1, 1]
scatter t.1 [2, 0] %7
%8 = read t.1 0 2 1
%9 = clone %8
%10 = read t.1 2 1 1
%11 = index_copy %9 [1] %10
write y 0 2 1 %11`, irText(p))
	require.Equal(t, "buffer x 4\nbuffer y 2\nx[0:1] = x[1:2]", programText(program("x[0:1] = x[1:2]")))
}

// In ir.N steps and flips of names are resolved, a mask is one of the storage, and what is
// returned is a line of its own.
func TestIROfTheWiderGrammar(t *testing.T) {
	p := program(
		"t = x[3::-2]", "u = t[1::-1]", "u[mask 01] = y[0:1]", "t[mask 11] = flip(y[0:2])", "t[0:2] += x[0:3:2] + y[0:2]",
		"return transpose(u[0:2])", "return reshape(clone(x[0:1]))", "return y[1:2]",
	)
	require.NoError(t, p.Check())
	require.Equal(t, `%0 = read y 0 1 1
mask x 0001 %0
%1 = read y 0 2 1
%2 = flip %1
%3 = flip %2
mask x 0101 %3
%4 = read x 0 2 2
%5 = read y 0 2 1
%6 = add %4 %5
addto x 3 2 -2 %6
%7 = read x 1 2 2
transpose return1 %7
%8 = read x 0 1 1
%9 = clone %8
reshape return2 %9
%10 = read y 1 1 1
return return3 %10`, irText(p))
}

// PyTorch has no slices with a negative step: a name of one is that of its rows in
// ascending order, and what is read or written is flipped.
func TestPyTorchOfTheWiderGrammar(t *testing.T) {
	p := program(
		"t = x[3::-2]", "t[0:2] = x[0:3:2]", "t[1:0:-1] = y[0:1]", "t[mask 01] = t[0:1]", "t[[1, 0]] = y[1::-1]",
		"x[0:2] += y[0:2] + flip(y[0:2])", "return transpose(t[0:2])", "return reshape(y[0:2])", "return x[1:2]",
	)
	require.NoError(t, p.Check())
	require.Equal(t, `def p0(x, y):
    t = x[:, :, 1:4:2]
    t[:, :, 0:2] = x[:, :, 0:3:2].clone().flip(2)
    t[:, :, 0:1] = y[:, :, 0:1].clone()
    t[:, :, torch.tensor([True, False])] = t[:, :, 1:2].clone().flip(2)
    t[:, :, [0, 1]] = y[:, :, 0:2].flip(2).clone()
    x[:, :, 0:2] += (y[:, :, 0:2] + y[:, :, 0:2].flip(2))
    return1 = t[:, :, 0:2].flip(2).clone().transpose(2, 3).clone()
    return2 = y[:, :, 0:2].clone().flatten(2).clone()
    return3 = x[:, :, 1:2].clone()
    return return1, return2, return3,
`, pyTorch(p, "p0"))
}

// What a program returns comes back in its form; a worker of grammar 1 is not asked.
func TestReturnedValues(t *testing.T) {
	c := testWorker(t, "programs")
	s := impls.Shape{Batch: 1, Heads: 2, Window: 1, Dim: 3, DType: impls.U8}
	p := program("return reshape(x[0:4])", "return transpose(y[0:2])")
	call := func() []impls.Tensor {
		return append([]impls.Tensor{impls.NewTensor(s, 4), impls.NewTensor(s, 2)}, Returned(p, s)...)
	}
	j := &Job{Program: p, Buffers: call(), Again: [][]impls.Tensor{call(), call()}}
	require.NoError(t, c.RunPrograms(t.Context(), "", []*Job{j}))
	require.NoError(t, j.Err)
	for _, buffers := range j.calls() {
		reshaped, transposed := buffers[2], buffers[3]
		require.Equal(t, []int{1, 12}, []int{reshaped.Rows, reshaped.Dim})
		require.Equal(t, []int{3, 2}, []int{transposed.Rows, transposed.Dim})
		require.Equal(t, []byte{1, 1}, []byte{reshaped.Data[0], transposed.Data[0]}, "the worker adds 1 to each first cell")
	}
	require.ErrorContains(t, c.RunPrograms(t.Context(), "", []*Job{{Program: p, Buffers: call()[:2], Again: j.Again}}), "memory for 2 buffers and returned values, not 4")
	c.hello.Grammar = 1
	require.ErrorContains(t, c.RunPrograms(t.Context(), "", []*Job{j}), "its hello lacks grammar=2")
}

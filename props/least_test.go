package props

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/props/hunt"
)

// least does of a case what nobody can leave out, written by hand for this one mix: it
// makes the chunks, moves the cells as the two updates say, keeps a list of all tokens and
// compares each stored cell with it once a step. Of what a finding needs it has nothing:
// no order of blocks, no programs, no names of cells, no contract, no look at the caller's
// tensors, at what is returned, at addresses or at panics.
type least struct {
	row, window  int // bytes, rows
	cell         uint32
	chunk        []byte
	buffer, temp []byte
	empty        []byte
	tokens       [][]byte // by lane
}

// run reports whether all steps of a case agree, for one tensor under one update.
func (l *least) run(c *corpus.Case, roll bool) bool {
	s := c.Shape
	lanes := s.Lanes()
	l.row, l.window, l.cell = s.RowBytes(), s.Window, 1
	size := lanes * l.window * l.row
	l.buffer, l.temp, l.empty = sized(l.buffer, size), sized(l.temp, size), sized(l.empty, size)
	clear(l.buffer)
	for len(l.tokens) < lanes {
		l.tokens = append(l.tokens, nil)
	}
	for lane := range lanes {
		l.tokens[lane] = l.tokens[lane][:0]
	}
	n := 0
	for i := range c.Ops {
		q := c.Ops[i].N
		l.fill(lanes * q * l.row)
		for lane := range lanes {
			l.tokens[lane] = append(l.tokens[lane], l.chunk[lane*q*l.row:(lane+1)*q*l.row]...)
		}
		l.update(lanes, n, q, roll)
		n += q
		if !l.agrees(lanes, n) {
			return false
		}
	}
	return true
}

// fill makes a chunk, every cell with a number of its own.
func (l *least) fill(size int) {
	l.chunk = sized(l.chunk, size)
	for at := 0; at < size; at += 4 {
		binary.LittleEndian.PutUint32(l.chunk[at:], l.cell)
		l.cell++
	}
}

// update moves the cells of all lanes for a chunk of q tokens after n.
func (l *least) update(lanes, n, q int, roll bool) {
	stride, chunk := l.window*l.row, q*l.row
	switch {
	case q > l.window:
		for lane := range lanes {
			copy(l.buffer[lane*stride:(lane+1)*stride], l.chunk[(lane+1)*chunk-stride:])
		}
	case roll && n+q <= l.window:
		for lane := range lanes {
			copy(l.buffer[lane*stride+n*l.row:], l.chunk[lane*chunk:(lane+1)*chunk])
		}
	default: // the window goes to a temporary, shifted, and back
		shift, to := 0, n*l.row
		if n+q > l.window {
			shift, to = l.row, stride-l.row
		}
		for lane := range lanes {
			from, temp := l.buffer[lane*stride:(lane+1)*stride], l.temp[lane*stride:(lane+1)*stride]
			copy(temp, from[shift:])
			copy(temp[stride-shift:], from[:shift])
			copy(temp[to:], l.chunk[lane*chunk:(lane+1)*chunk])
		}
		copy(l.buffer, l.temp)
	}
}

// agrees compares the buffer after n tokens with the newest of the list, and zeros.
func (l *least) agrees(lanes, n int) bool {
	stride, live := l.window*l.row, min(n, l.window)*l.row
	for lane := range lanes {
		got, all := l.buffer[lane*stride:(lane+1)*stride], l.tokens[lane]
		if !bytes.Equal(got[:live], all[len(all)-live:]) || !bytes.Equal(got[live:], l.empty[:stride-live]) {
			return false
		}
	}
	return true
}

// sized is a buffer of so many bytes, with the memory that it has if that is enough.
func sized(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// BenchmarkRunnerLeast does by turns what BenchmarkRunner does, and for the same cases what
// nobody can leave out: how many cases a second each makes, and how many times longer the
// runner takes.
func BenchmarkRunnerLeast(b *testing.B) {
	r, rng, c, l := hunt.Local(), rand.New(rand.NewSource(1)), &corpus.Case{}, &least{}
	var whole, bare time.Duration
	for b.Loop() {
		benchmarkMix.Draw(c, rng)
		start := time.Now()
		both(b, r, c)
		judged := time.Now()
		for _, roll := range [...]bool{false, true} {
			for range 2 { // keys, values
				if !l.run(c, roll) {
					b.Fatal("it diverges")
				}
			}
		}
		whole, bare = whole+judged.Sub(start), bare+time.Since(judged)
	}
	b.ReportMetric(float64(b.N)/whole.Seconds(), "cases/s")
	b.ReportMetric(float64(b.N)/bare.Seconds(), "least-cases/s")
	b.ReportMetric(whole.Seconds()/bare.Seconds(), "times-least")
}

// The bare program does the work: it agrees in all cases of the mix, and does not where a
// cell of the buffer is another.
func TestLeast(t *testing.T) {
	rng, c, l := rand.New(rand.NewSource(1)), &corpus.Case{}, &least{}
	for range 200 {
		benchmarkMix.Draw(c, rng)
		for _, roll := range [...]bool{false, true} {
			require.True(t, l.run(c, roll), "%s", c.Text())
		}
		require.Len(t, l.tokens[0], c.Tokens()*c.Shape.RowBytes())
		at := rng.Intn(len(l.buffer))
		l.buffer[at]++
		require.False(t, l.agrees(c.Shape.Lanes(), c.Tokens()))
	}
	require.Equal(t, impls.F32, c.Shape.DType, "a cell is four bytes")
}

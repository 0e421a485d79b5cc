package judge

import (
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// code is an encoding and the rows that it gives the first tokens: those of most cases,
// which are then copied instead of being encoded again. No cache sees this memory.
type code struct {
	oracle.Encoding
	shape  impls.Shape
	cases  int       // that have used it
	tokens int       // so many serials, from 0, are on the tape
	tape   [2][]byte // by tensor: of each lane its tokens one after the other
	across [2][]byte // the same by token: of each the rows of all lanes
}

// maxTape bounds the tokens on a tape, to what a case has that is not long, and
// maxTapeBytes its memory: a judge has at most maxRemembered of them, 64 MiB, and most have a
// part of that.
const (
	maxTape      = 64
	maxTapeBytes = 32 << 10
)

func newCode(s impls.Shape) (*code, error) {
	e, err := oracle.NewEncoding(s.DType.String(), s.Batch, s.Heads, s.Dim)
	if err != nil {
		return nil, err
	}
	return &code{Encoding: e, shape: s}, nil
}

// use counts the cases, and makes the tape with the second: most shapes that a fuzzer
// tries it tries once.
func (c *code) use() {
	if c.cases++; c.cases != 2 {
		return
	}
	lanes, row := c.shape.Lanes(), c.shape.RowBytes()
	c.tokens = min(maxTape, maxTapeBytes/4/(lanes*row))
	for t := range c.tape {
		c.tape[t] = make([]byte, c.tokens*lanes*row)
		c.across[t] = make([]byte, c.tokens*lanes*row)
		at := c.tape[t]
		for lane := range lanes {
			for serial := range c.tokens {
				c.PutRow(at[:row], oracle.Tensor(t), lane, serial)
				copy(c.across[t][(serial*lanes+lane)*row:], at[:row])
				at = at[row:]
			}
		}
	}
}

// rows is the rows of n tokens of a lane, not to be changed, nil where they are not on
// the tape.
func (c *code) rows(t oracle.Tensor, lane, serial, n int) []byte {
	if serial+n > c.tokens {
		return nil
	}
	row := c.shape.RowBytes()
	at := (lane*c.tokens + serial) * row
	return c.tape[t][at : at+n*row]
}

// token is the rows of one token in so many lanes, from a lane on, not to be changed, nil
// where they are not on the tape.
func (c *code) token(t oracle.Tensor, lane, lanes, serial int) []byte {
	if serial >= c.tokens {
		return nil
	}
	row := c.shape.RowBytes()
	at := (serial*c.shape.Lanes() + lane) * row
	return c.across[t][at : at+lanes*row]
}

// of reports whether it is that of a shape, whose window and layout do not matter.
func (c *code) of(s impls.Shape) bool {
	x := &c.shape
	return x.DType == s.DType && x.Batch == s.Batch && x.Heads == s.Heads && x.Dim == s.Dim
}

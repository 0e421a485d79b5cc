package corpus

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// MaxDraw bounds the bytes that a case is decoded from: the header's ten and
// two for each of some twenty operations.
const MaxDraw = 56

// Draws gives the random cases of a hunt, one a call.
func Draws(t window.Target, seed uint64) func() *Case {
	h := fnv.New64a()
	h.Write([]byte(t.String()))
	rng := rand.New(rand.NewPCG(seed, h.Sum64()))
	buf := make([]byte, MaxDraw)
	return func() *Case {
		b := buf[:4+rng.IntN(MaxDraw-3)]
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		var c *Case
		if t.Update == "program" {
			c = DecodeProgram(b)
		} else {
			c = Decode(b)
		}
		c.insertOps(rng)
		c.Target = t
		if t.IsProgram() {
			c.Ops = nil
		}
		if window.OrdersItself(t.Device) {
			c.Schedule = inplace.Schedule{Kind: inplace.Native}
		}
		return c
	}
}

// insertOps draws the operations that no bytes decode to.
func (c *Case) insertOps(r *rand.Rand) {
	for i := 0; i < len(c.Ops); i++ {
		for _, x := range operations {
			if o, ok := x.Insert(r, c.Shape); ok {
				i++
				c.Ops = slices.Insert(c.Ops, i, o)
			}
		}
	}
}

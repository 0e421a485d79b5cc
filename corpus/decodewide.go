package corpus

import (
	"bytes"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// WidePrefix begins the inputs of Decode that choose among all that a case of a
// cache may have: batches that are selected from, numbers by entry, rows of 16 bytes
// and more. An input without it decodes as it did before there were such choices; no
// input that was stored then begins with it.
const WidePrefix = "\xffkv\x02"

// What the bytes of a wide input choose from: mostly small numbers, and those where
// copies by words and blocks end. The lists are never changed, only what follows a
// new prefix may differ: stored inputs keep their meaning.
var (
	wideBatches = [...]int{1, 2, 2, 3, 1, 4, 8, 5}
	wideHeads   = [...]int{1, 1, 2, 3, 1, 4, 8, 5}
	wideDims    = [...]int{1, 2, 3, 4, 8, 16, 5, 64, 1, 7, 9, 17, 32, 128, 63, 256}
)

// maxWideCells bounds the cells of all tokens of a wide input: an execution is to
// take less than a millisecond.
const maxWideCells = 1 << 16

// maxCacheBytes bounds the memory of a case in an input's text, so that an execution
// stays quick whatever is made of it.
const maxCacheBytes = 1 << 20

// DecodeCache makes a case of a user's cache from any bytes, with all that one may
// have: it is Decode of what WidePrefix comes before, for the target of such caches,
// which have no blocks. The text of a case of a cache is that case.
func DecodeCache(in []byte) *Case {
	if bytes.HasPrefix(in, []byte(header)) {
		if c, err := Parse("input", in, maxCacheBytes); err == nil {
			if _, program := c.TheProgram(); !program {
				c.Target, c.Block, c.Schedule, c.Orders, c.Expect = window.CacheTarget(), 1, inplace.Schedule{}, nil, nil
				return c
			}
		}
	}
	c := decodeWide(bytes.TrimPrefix(in, []byte(WidePrefix)))
	c.Target, c.Block, c.Schedule = window.CacheTarget(), 1, inplace.Schedule{}
	return c
}

// decodeWide is Decode of what follows WidePrefix. An operation has a byte that says
// of which kind it is; the old kinds then have the two bytes that they have in Decode,
// and the new ones a byte for each number.
func decodeWide(in []byte) *Case {
	b := &bytesIn{in}
	c := &Case{}
	s := &c.Shape
	s.Batch, s.Heads = wideBatches[b.below(len(wideBatches))], wideHeads[b.below(len(wideHeads))]
	s.Dim = wideDims[b.below(len(wideDims))]
	kind := b.next()
	s.Layout = impls.Layout(kind % 2)
	s.DType = [...]impls.DType{impls.F32, impls.BF16, impls.U8, impls.F16, impls.F8E4M3}[kind/2%5]
	s.Window = 1 + (b.next()+2)%16
	c.Target = decodable[b.below(len(decodable))]
	c.decodeSchedule(b)

	at := NewLengths(*s)
	tokens := 0
	add := func(o Op) {
		cells := (tokens + o.Tokens()) * max(at.State().Batch(), len(o.Each)) * s.Heads * s.Dim
		if cells > maxWideCells {
			b.rest = nil
			return
		}
		tokens += o.Tokens()
		at.After(&o, *s)
		c.Ops = append(c.Ops, o)
	}
	add(Op{Kind: Append, N: (b.next() + 2) % (2*s.Window + 3)})
	for len(b.rest) > 0 && len(c.Ops) < maxOps {
		add(c.decodeWideOp(b, at.State()))
	}
	if len(c.Ops) == 1 {
		add(Op{Kind: Append, N: 1})
	}
	if len(c.Ops) == 0 { // the prefill alone is too much of the widest shape
		c.Ops = []Op{{Kind: Append, N: 1}, {Kind: Append, N: 1}}
	}
	return c
}

func (c *Case) decodeWideOp(b *bytesIn, at State) Op {
	batch := at.Batch()
	each := func(below int) []int {
		all := make([]int, min(batch, MaxEntries))
		for i := range all {
			all[i] = b.below(below)
		}
		return all
	}
	switch which := b.next() % 16; which {
	case 9: // an order of the entries, or some of them twice
		return Op{Kind: Select, Each: each(batch)}
	case 10: // another batch; now and then an entry that is not there
		list := make([]int, 1+b.below(MaxEntries))
		for i := range list {
			list[i] = b.next() % 64 % (batch + 1)
			if list[i] == batch && b.below(4) > 0 {
				list[i] = 0
			}
		}
		return Op{Kind: Select, Each: list}
	case 11, 12:
		return ragged(each(c.Shape.Window + 2))
	case 13, 14: // of each entry the last few tokens are cut off
		list := make([]int, min(batch, MaxEntries))
		for i := range list {
			list[i] = max(0, at.Len(i)-b.below(4))
		}
		return cropEach(list)
	case 15: // all entries lose as many
		longest := 0
		for i := range batch {
			longest = max(longest, at.Len(i))
		}
		return Op{Kind: Crop, N: max(0, longest-b.below(c.Shape.Window+2))}
	}
	return c.decodeOp(b)
}

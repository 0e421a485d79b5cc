package corpus

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// Programs for compilers are drawn, not decoded from bytes: a compiler takes a good part
// of a second for each, so what a program has must be worth it. Each has weights of its
// own, as the cases of caches have. What they favour are names that are read more than
// once and whole, since what a compiler takes for free memory is a value of which it
// overlooks a reader. For the same reason they favour what was written or defined last, a
// cat of all of two names, and an index_copy of a value without a name.
const (
	// maxStmts bounds the statements. Most faults need two or three, and what a compiler
	// takes for a program grows with them, now and then a hundredfold: so a program has
	// one more with a chance of moreStmts, which makes four on average, and few have twelve.
	maxStmts  = 12
	moreStmts = 0.75
	// maxRows bounds the rows of a buffer, and of a value but for those of maxJoined. The fewer
	// there are, the more often a name has as many as an expression wants, and is read whole.
	maxRows = 4
	// oneLane is how often a program has one lane: its rows then follow each other in
	// memory, which is the shape that a compiler may copy at once, and its code takes
	// half as long to make.
	oneLane = 0.5
	// recent is how often a name that is read is the one written or defined last, whatever
	// others there are, and how often that one is written only where it is drawn twice.
	recent = 0.5
	// joined is how often a value that may have any number of rows has as many as two names
	// together, so that it may be a cat of all of both: maxJoined at most, those of two buffers.
	joined    = 0.5
	maxJoined = 2 * maxRows
	// otherBases is how often another base of an index_copy is drawn while it is but a view.
	otherBases = 2
	// otherStmts is how often another statement is drawn while it writes what is there.
	otherStmts = 4
	// maxLevels is how deep an expression nests: what is longer has names.
	maxLevels = 2
)

// The weights of all programs. Those of the wider grammar come last in each list.
const (
	drawAssign = iota
	drawDefine
	drawIndex
	drawShift
	drawOwnRows
	drawMask
	drawStepped
	drawReturn
	drawAddTo
)

const (
	drawView = iota
	drawClone
	drawCat
	drawRoll
	drawGather
	drawIndexCopy
	drawFlip
	drawSteppedView
	drawAdd
)

var (
	usualStmts = [...]float64{drawAssign: 4, drawDefine: 3, drawIndex: 0.6, drawShift: 0.5, drawOwnRows: 0.3, drawMask: 1, drawStepped: 1, drawReturn: 1, drawAddTo: 1}
	usualExprs = [...]float64{drawView: 3, drawClone: .5, drawCat: 3, drawRoll: 2, drawGather: 1.5, drawIndexCopy: 3, drawFlip: 1, drawSteppedView: 1, drawAdd: 1}
)

const (
	oldStmts = drawOwnRows + 1   // of grammar 1
	oldExprs = drawIndexCopy + 1 // of grammar 1
)

// programDraw is a program in the making.
type programDraw struct {
	*rand.Rand
	programNames
	p inplace.Program
	// stmts and exprs are the weights of this program; whole is how often a view takes
	// all rows of a name.
	stmts, exprs []float64
	whole        float64
	last         string // what was written or defined last, if anything
}

// drawProgram draws a program of one or two buffers: of the wider grammar if wide, and
// with sums if adds.
func drawProgram(r *rand.Rand, wide, adds bool) inplace.Program {
	g := &programDraw{Rand: r, programNames: programNames{rows: map[string]int{}}, whole: 0.5 + r.Float64()/2}
	g.stmts, g.exprs = slices.Clone(usualStmts[:]), slices.Clone(usualExprs[:])
	if !wide {
		g.stmts, g.exprs = g.stmts[:oldStmts], g.exprs[:oldExprs]
	} else if !adds {
		g.stmts, g.exprs = g.stmts[:drawAddTo], g.exprs[:drawAdd]
	}
	if r.Float64() >= evenShare {
		for _, weights := range [][]float64{g.stmts, g.exprs} {
			for i := range weights {
				if weights[i] *= math.Pow(swing, 2*r.Float64()-1); r.Float64() < absent {
					weights[i] = 0
				}
			}
		}
	}
	for _, name := range []string{"x", "y"}[:1+r.IntN(2)] {
		rows := 2 + r.IntN(maxRows-1)
		g.p.Buffers = append(g.p.Buffers, inplace.Buffer{Name: name, Rows: rows})
		g.name(name, rows)
	}
	for n := drawStmts(r); n > 0; n-- {
		s := g.statement(n == 1)
		for i := 0; i < otherStmts && writesItself(s); i++ {
			s = g.statement(n == 1)
		}
		if g.p.Stmts = append(g.p.Stmts, s); g.p.Check() != nil { // a cell of too many summands
			s = inplace.Assign("x", 0, 1, inplace.Clone(inplace.View("x", 1, 2)))
			g.p.Stmts[len(g.p.Stmts)-1] = s
		}
		if s.Define {
			g.name(s.Dst, rowsOf(s.Src))
		}
		if s.Form == inplace.NotReturned {
			g.last = s.Dst
		}
	}
	return g.p
}

// writesItself reports whether a statement writes rows of a name where they lie.
func writesItself(s inplace.Stmt) bool {
	return !s.Define && s.Form == inplace.NotReturned && s.Index == nil && s.Mask == nil && !s.Add &&
		s.Src.Op == inplace.OpView && s.Src.Name == s.Dst && slices.Equal(s.Rows(), s.Src.Rows())
}

// anyName is the index of a name to read.
func (g *programDraw) anyName() int {
	if g.last != "" && g.Float64() < recent {
		return slices.Index(g.names, g.last)
	}
	return g.IntN(len(g.names))
}

// rowsOfTwo is how many rows two names have together.
func (g *programDraw) rowsOfTwo() int {
	return g.rows[g.names[g.anyName()]] + g.rows[g.names[g.anyName()]]
}

// drawStmts is how many statements a program gets.
func drawStmts(r *rand.Rand) int {
	n := 1
	for n < maxStmts && r.Float64() < moreStmts {
		n++
	}
	return n
}

// statement is the next statement. The last one defines no name: nobody would read it, and a
// compiler drops what nobody reads.
func (g *programDraw) statement(last bool) inplace.Stmt {
	name := g.names[g.IntN(len(g.names))]
	if name == g.last && g.Float64() < recent {
		name = g.names[g.IntN(len(g.names))]
	}
	rows := g.rows[name]
	kind := pick(g.Rand, g.stmts)
	if last && kind == drawDefine {
		kind = drawAssign
	}
	switch kind {
	case drawDefine:
		n := 1 + g.IntN(maxRows)
		if g.Float64() < g.whole {
			n = rows
		}
		if two := g.rowsOfTwo(); two <= maxJoined && g.Float64() < joined {
			n = two
		}
		return inplace.Define([]string{"t", "u"}[g.IntN(2)], g.expr(n, 0))
	case drawIndex:
		index := g.index(rows)
		return inplace.AssignIndex(name, index, g.expr(len(index), 0))
	case drawShift: // what a cache does in place, by a copy and without
		n := 1 + g.IntN(max(1, rows-1))
		to, from := g.IntN(rows-n+1), g.IntN(rows-n+1)
		src := inplace.View(name, from, from+n)
		if g.IntN(2) == 0 {
			src = inplace.Clone(src)
		}
		return inplace.Assign(name, to, to+n, src)
	case drawOwnRows:
		index := g.index(rows)
		lo := g.IntN(rows - len(index) + 1)
		return inplace.AssignIndex(name, index, inplace.View(name, lo, lo+len(index)))
	case drawMask:
		mask := make([]bool, rows)
		mask[g.IntN(rows)] = true
		set := 1
		for i := range mask {
			if !mask[i] && g.IntN(2) == 0 {
				mask[i], set = true, set+1
			}
		}
		return inplace.AssignMask(name, mask, g.expr(set, 0))
	case drawStepped:
		s := inplace.Stmt{Dst: name}
		n := 1 + g.IntN(rows)
		s.Lo, s.Hi, s.Step = stepped(n, rows, g.IntN)
		s.Src = g.expr(n, 0)
		return s
	case drawReturn:
		return inplace.Return(returned[g.IntN(len(returned))], g.expr(rows, 0))
	default:
		n := rows
		if g.Float64() >= g.whole {
			n = max(1, rows-g.IntN(4))
		}
		lo := g.IntN(rows - n + 1)
		s := inplace.Assign(name, lo, lo+n, g.expr(n, 0))
		s.Add = kind == drawAddTo
		return s
	}
}

// index is one to four distinct rows below n.
func (g *programDraw) index(n int) []int { return g.Perm(n)[:1+g.IntN(min(n, 4))] }

// expr is an expression of exactly n rows.
func (g *programDraw) expr(n, level int) inplace.Expr {
	kind := drawView
	if level < maxLevels {
		kind = pick(g.Rand, g.exprs)
	}
	switch kind {
	case drawClone:
		return inplace.Clone(g.expr(n, level+1))
	case drawCat:
		if n > 1 {
			return g.cat(n, level+1)
		}
	case drawRoll:
		return inplace.Roll(g.expr(n, level+1), g.IntN(5)-2)
	case drawGather:
		m := min(n+g.IntN(n+2), max(n, maxRows))
		if two := g.rowsOfTwo(); two <= maxJoined && g.Float64() < joined {
			m = two
		}
		index := make([]int, n)
		for i := range index {
			index[i] = (i + g.IntN(m)) % m
		}
		return inplace.Gather(g.expr(m, level+1), index)
	case drawIndexCopy:
		index, base := g.index(n), g.expr(n, level+1)
		for i := 0; i < otherBases && base.Op == inplace.OpView; i++ {
			base = g.expr(n, level+1)
		}
		return inplace.IndexCopy(base, index, g.expr(len(index), level+1))
	case drawFlip:
		return inplace.Flip(g.expr(n, level+1))
	case drawSteppedView:
		if name := g.names[g.IntN(len(g.names))]; g.rows[name] >= n {
			e := inplace.Expr{Name: name}
			e.Lo, e.Hi, e.Step = stepped(n, g.rows[name], g.IntN)
			return e
		}
	case drawAdd:
		return inplace.Add(g.expr(n, level+1), g.expr(n, level+1))
	}
	return g.view(n)
}

// cat is two values: of names that have as many rows together, or one of them of a name,
// all of these where they fit and whole says so.
func (g *programDraw) cat(n, level int) inplace.Expr {
	name := g.names[g.anyName()]
	if g.Float64() < g.whole {
		from := g.anyName()
		for i := range g.names {
			other := g.names[(from+i)%len(g.names)]
			if g.rows[name]+g.rows[other] == n {
				return g.eitherWay(inplace.View(name, 0, g.rows[name]), inplace.View(other, 0, g.rows[other]))
			}
		}
	}
	if rows := g.rows[name]; rows < n && g.Float64() < g.whole {
		return g.eitherWay(inplace.View(name, 0, rows), g.expr(n-rows, level))
	}
	k := 1 + g.IntN(n-1)
	return inplace.Cat(g.expr(n-k, level), g.expr(k, level))
}

// eitherWay is a cat of two values in one order or the other.
func (g *programDraw) eitherWay(parts ...inplace.Expr) inplace.Expr {
	if g.IntN(2) == 0 {
		slices.Reverse(parts)
	}
	return inplace.Cat(parts...)
}

// view is n rows of a name that has as many, if whole says so of one that has no more,
// or several views in a row where none has.
func (g *programDraw) view(n int) inplace.Expr {
	from := g.anyName()
	if g.Float64() < g.whole {
		for i := range g.names {
			if name := g.names[(from+i)%len(g.names)]; g.rows[name] == n {
				return inplace.View(name, 0, n)
			}
		}
	}
	name := g.names[from]
	rows := g.rows[name]
	if rows >= n {
		lo := g.IntN(rows - n + 1)
		return inplace.View(name, lo, lo+n)
	}
	return inplace.Cat(inplace.View(name, 0, rows), g.view(n-rows))
}

// rowsOf is how many rows an expression has.
func rowsOf(e inplace.Expr) int {
	switch e.Op {
	case inplace.OpView:
		return len(e.Rows())
	case inplace.OpGather:
		return len(e.Index)
	case inplace.OpCat:
		n := 0
		for _, part := range e.Args {
			n += rowsOf(part)
		}
		return n
	}
	return rowsOf(e.Args[0])
}

// workerProgram draws a case of a program for a worker, with the shape and the order of
// the blocks of decoded ones: of the wider grammar if wide, and now and then with sums if
// maySum.
func workerProgram(r *rand.Rand, wide, maySum bool) *Case {
	var header [16]byte
	for i := range header {
		header[i] = byte(r.Uint32())
	}
	c := DecodeProgram(header[:])
	if r.Float64() < oneLane {
		c.Shape.Batch, c.Shape.Heads = 1, 1
	}
	adds := false
	if maySum { // two in five programs may add, in one of the types that do so exactly
		switch r.IntN(5) {
		case 0:
			adds, c.Shape.DType = true, impls.I32
		case 1:
			adds, c.Shape.DType = true, impls.F32
		}
	}
	c.Program = drawProgram(r, wide, adds)
	return c
}

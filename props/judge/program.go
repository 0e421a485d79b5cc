package judge

import (
	"bytes"
	"context"
	"fmt"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// Program runs the program of a case on a device, statement by statement, against
// value semantics.
func (j *Judge) Program(ctx context.Context, c *corpus.Case, p inplace.Program, device inplace.Device) (*corpus.Divergence, error) {
	j.Begin(c)
	s := c.Shape
	code, err := j.Encoding(s)
	if err != nil {
		return nil, err
	}
	plan := inplace.Compile(p, c.Target.Lowering, s, c.Block)
	mem := make([][]byte, len(plan.Rows))
	for i, rows := range plan.Rows {
		mem[i] = make([]byte, s.Lanes()*rows*s.RowBytes())
	}
	v := NewValues(p, s, code, mem)
	next := 0
	for i, stmt := range p.Stmts {
		j.op = i
		start := next
		for ; next < len(plan.Kernels) && plan.Kernels[next].Stmt == i; next++ {
			k := plan.Kernels[next]
			device.Run(k, mem, s.DType.Size(), j.ProgramOrder(stmt.Dst, next-start, k.Blocks()))
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		v.Statement(stmt)
		if !plan.Settled(i) {
			continue
		}
		if d := v.Compare(mem); d != nil {
			d = j.statementFault(d, p, plan, start, next, v.wrongBuffer)
			v.look(d, mem)
			return d, nil
		}
	}
	return nil, nil
}

// statementFault says where a wrong cell of a buffer comes from, after the
// statement of the operation, whose kernels are from to to-1: the hazard is in them, or
// in those of a statement before.
func (j *Judge) statementFault(d *corpus.Divergence, p inplace.Program, plan *inplace.Plan, from, to, buffer int) *corpus.Divergence {
	d.Op, d.OpKind, d.Fault, d.Where = j.op+1, "statement", corpus.FaultRows, "stored"
	names := make([]string, len(p.Buffers))
	for b := range p.Buffers {
		names[b] = p.Buffers[b].Name
	}
	d.Before = before(p, j.op)
	names = storageNames(plan, names...)
	// A temporary that went wrong earlier shows when a buffer takes it.
	defer j.SetOp(j.op)
	for at := j.op; at >= 0 && d.Race == nil; at-- {
		j.SetOp(at)
		for from > 0 && plan.Kernels[from-1].Stmt >= at {
			from--
		}
		for k := from; k < to && plan.Kernels[k].Stmt == at; k++ {
			j.attach(d, plan, k, k-from, buffer, names, func(blocks int) []int32 {
				return j.ProgramOrder(p.Stmts[at].Dst, k-from, blocks)
			})
		}
	}
	return d
}

// Values is a program under value semantics: which row of which buffer, as it
// was at the start, each row holds.
type Values struct {
	Labels
	shape       impls.Shape
	start       []impls.Tensor // the buffers as they were
	wrongBuffer int
}

// Labels are values by name alone.
type Labels struct {
	p     inplace.Program
	rows  [][]oracle.Label // of each buffer
	names map[string][]oracle.Label
}

// NewLabels are those of a program before its first statement: each row of each
// buffer names itself.
func NewLabels(p inplace.Program) *Labels {
	v := &Labels{p: p, names: map[string][]oracle.Label{}}
	for i, b := range p.Buffers {
		rows := make([]oracle.Label, b.Rows)
		for row := range rows {
			rows[row] = oracle.Label{Buffer: i, Row: row}
		}
		v.rows = append(v.rows, rows)
		v.names[b.Name] = rows
	}
	return v
}

// Positions numbers the rows that a buffer holds as NewValues fills them.
func (v *Labels) Positions(buffer int) []int32 {
	first := make([]int32, len(v.p.Buffers))
	for b := 1; b < len(first); b++ {
		first[b] = first[b-1] + int32(v.p.Buffers[b-1].Rows)
	}
	all := make([]int32, len(v.rows[buffer]))
	for i, l := range v.rows[buffer] {
		all[i] = first[l.Buffer] + int32(l.Row)
	}
	return all
}

// NewValues fills the buffers with rows that name their origin: the rows of
// all buffers are positions of one long sequence.
func NewValues(p inplace.Program, s impls.Shape, code *oracle.Encoding, mem [][]byte) *Values {
	v := &Values{Labels: *NewLabels(p), shape: s}
	v.fill(code, mem, 0)
	return v
}

// Fresh fills other buffers for the same program with rows of other origins, those of
// call number call, and is what v is, for them.
func (v *Values) Fresh(call int, code *oracle.Encoding, mem [][]byte) *Values {
	rows := 0
	for _, b := range v.p.Buffers {
		rows += b.Rows
	}
	x := &Values{Labels: v.Labels, shape: v.shape}
	x.fill(code, mem, call*rows)
	return x
}

// fill makes the rows of the buffers, of positions from first on.
func (v *Values) fill(code *oracle.Encoding, mem [][]byte, first int) {
	s, position := v.shape, first
	for i, b := range v.p.Buffers {
		x := impls.TensorOver(s, b.Rows, mem[i])
		for row := range b.Rows {
			for lane := range s.Lanes() {
				code.PutRow(x.Row(lane, row), oracle.Keys, lane, position)
			}
			position++
		}
		v.start = append(v.start, impls.TensorOver(s, b.Rows, bytes.Clone(mem[i])))
	}
}

// Statement runs one statement. A view shares its labels as it shares memory.
func (v *Labels) Statement(s inplace.Stmt) {
	e := v.expr(s.Src)
	switch {
	case s.Define:
		v.names[s.Dst] = e
	case s.Index != nil:
		oracle.AssignIndex(v.names[s.Dst], s.Index, e)
	default:
		oracle.Assign(v.names[s.Dst][s.Lo:s.Hi], e)
	}
}

func (v *Labels) expr(e inplace.Expr) []oracle.Label {
	if e.Op == inplace.OpView {
		return v.names[e.Name][e.Lo:e.Hi]
	}
	args := make([][]oracle.Label, len(e.Args))
	for i, a := range e.Args {
		args[i] = v.expr(a)
	}
	switch e.Op {
	case inplace.OpCat:
		return oracle.Cat(args...)
	case inplace.OpRoll:
		return oracle.Roll(args[0], e.K)
	case inplace.OpGather:
		return oracle.Gather(args[0], e.Index)
	case inplace.OpIndexCopy:
		return oracle.IndexCopy(args[0], e.Index, args[1])
	}
	return oracle.Clone(args[0])
}

// Compare finds the first cell that differs from value semantics.
func (v *Values) Compare(mem [][]byte) *corpus.Divergence {
	var d *corpus.Divergence
	size := v.shape.DType.Size()
	for i, b := range v.p.Buffers {
		if mem[i] == nil { // not asked
			continue
		}
		x := impls.TensorOver(v.shape, b.Rows, mem[i])
		for lane := range x.Lanes() {
			for row := range b.Rows {
				label := v.rows[i][row]
				want := v.start[label.Buffer].Row(lane, label.Row)
				got := x.Row(lane, row)
				if bytes.Equal(got, want) {
					continue
				}
				for e := range x.Dim {
					if bytes.Equal(got[e*size:(e+1)*size], want[e*size:(e+1)*size]) {
						continue
					}
					if d == nil {
						v.wrongBuffer = i
						d = &corpus.Divergence{Tensor: b.Name, Lane: lane, Row: row, Elem: e, Got: v.describe(got, lane), Want: v.name(label)}
					}
					d.Wrong++
				}
			}
		}
	}
	return d
}

func (v *Values) name(l oracle.Label) string {
	return fmt.Sprintf("what row %d of %s held", l.Row, v.p.Buffers[l.Buffer].Name)
}

// describe says which row of the start a row holds: of the same lane first.
func (v *Values) describe(row []byte, lane int) string {
	for k := range v.shape.Lanes() {
		l := (lane + k) % v.shape.Lanes()
		for b := range v.start {
			for r := range v.start[b].Rows {
				if bytes.Equal(v.start[b].Row(l, r), row) {
					what := v.name(oracle.Label{Buffer: b, Row: r})
					if l != lane {
						what += fmt.Sprintf(" in lane %d", l)
					}
					return what
				}
			}
		}
	}
	return "parts of several rows"
}

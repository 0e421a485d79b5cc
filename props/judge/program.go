package judge

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

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
			device.Run(k, mem, s.DType.Size(), j.ProgramOrder(p.Target(i), next-start, k.Blocks()))
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		v.Statement(stmt)
		if !plan.Settled(i) {
			continue
		}
		outputs := v.outputsOf(plan, mem)
		if d := v.Compare(outputs); d != nil {
			d = j.statementFault(d, p, plan, start, next, v.wrong)
			v.look(d, outputs)
			return d, nil
		}
	}
	return nil, nil
}

// outputsOf is the memory of the outputs among that of the storages of a plan.
func (v *Values) outputsOf(plan *inplace.Plan, mem [][]byte) [][]byte {
	all := slices.Clone(mem[:len(v.p.Buffers)])
	for i := range v.Outputs() - len(v.p.Buffers) {
		all = append(all, mem[plan.Returns[i]])
	}
	return all
}

// statementFault says where a wrong cell of an output comes from, after the
// statement of the operation, whose kernels are from to to-1: the hazard is in them, or
// in those of a statement before.
func (j *Judge) statementFault(d *corpus.Divergence, p inplace.Program, plan *inplace.Plan, from, to, output int) *corpus.Divergence {
	d.Op, d.OpKind, d.Fault, d.Where = j.op+1, "statement", corpus.FaultRows, "stored"
	names := make([]string, len(p.Buffers))
	for b := range p.Buffers {
		names[b] = p.Buffers[b].Name
	}
	d.Before = before(p, j.op)
	names = storageNames(plan, names...)
	for i, store := range plan.Returns {
		names[store] = inplace.ReturnName(i)
	}
	storage := output
	if i := output - len(p.Buffers); i >= 0 {
		storage = plan.Returns[i]
	}
	// A temporary that went wrong earlier shows when a buffer takes it.
	defer j.SetOp(j.op)
	for at := j.op; at >= 0 && d.Race == nil; at-- {
		j.SetOp(at)
		for from > 0 && plan.Kernels[from-1].Stmt >= at {
			from--
		}
		for k := from; k < to && plan.Kernels[k].Stmt == at; k++ {
			j.attach(d, plan, k, k-from, storage, names, func(blocks int) []int32 {
				return j.ProgramOrder(p.Target(at), k-from, blocks)
			})
		}
	}
	return d
}

// Values is a program under value semantics: which row of which buffer, as it
// was at the start, each row holds.
type Values struct {
	Labels
	shape impls.Shape
	start []impls.Tensor // the buffers as they were
	adds  bool
	wrong int // the output at fault
}

// Labels are values by name alone. Its outputs are the buffers, then what has been
// returned so far.
type Labels struct {
	p       inplace.Program
	outputs []output
	names   map[string][]*oracle.Sum
}

// output is a buffer or a returned value. A view of a buffer shares its rows.
type output struct {
	name       string
	rows       []*oracle.Sum
	transposed bool
}

// NewLabels are those of a program before its first statement: each row of each
// buffer names itself.
func NewLabels(p inplace.Program) *Labels {
	v := &Labels{p: p, names: map[string][]*oracle.Sum{}}
	for i, b := range p.Buffers {
		all := make([]oracle.Sum, b.Rows)
		for row := range all {
			all[row] = oracle.Sum{{Buffer: i, Row: row}}
		}
		rows := shared(all)
		v.outputs = append(v.outputs, output{name: b.Name, rows: rows})
		v.names[b.Name] = rows
	}
	return v
}

// shared are rows that views can share.
func shared(all []oracle.Sum) []*oracle.Sum {
	rows := make([]*oracle.Sum, len(all))
	for i := range rows {
		rows[i] = &all[i]
	}
	return rows
}

// Outputs is the number of outputs so far.
func (v *Labels) Outputs() int { return len(v.outputs) }

// Positions numbers the rows that an output holds as NewValues fills them. It is for
// programs without sums.
func (v *Labels) Positions(output int) []int32 {
	first := make([]int32, len(v.p.Buffers))
	for b := 1; b < len(first); b++ {
		first[b] = first[b-1] + int32(v.p.Buffers[b-1].Rows)
	}
	all := make([]int32, len(v.outputs[output].rows))
	for i, row := range v.outputs[output].rows {
		l := (*row)[0]
		all[i] = first[l.Buffer] + int32(l.Row)
	}
	return all
}

// NewValues fills the buffers with rows that name their origin: the rows of
// all buffers are positions of one long sequence.
func NewValues(p inplace.Program, s impls.Shape, code *oracle.Encoding, mem [][]byte) *Values {
	v := &Values{Labels: *NewLabels(p), shape: s, adds: p.Adds()}
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
	x := &Values{Labels: v.Labels, shape: v.shape, adds: v.adds}
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
				if v.adds {
					oracle.PutExact(v.shape.DType == impls.F32, x.Row(lane, row), lane, position)
				} else {
					code.PutRow(x.Row(lane, row), oracle.Keys, lane, position)
				}
			}
			position++
		}
		v.start = append(v.start, impls.TensorOver(s, b.Rows, bytes.Clone(mem[i])))
	}
}

// Statement runs one statement. A view shares its labels as it shares memory.
func (v *Labels) Statement(s inplace.Stmt) {
	rows := v.expr(s.Src)
	values := make([]oracle.Sum, len(rows)) // read whole before anything is written
	for i, row := range rows {
		values[i] = *row
	}
	switch {
	case s.Form != inplace.NotReturned:
		n := len(v.outputs) - len(v.p.Buffers)
		v.outputs = append(v.outputs, output{inplace.ReturnName(n), shared(values), s.Form == inplace.Transposed})
	case s.Define:
		v.names[s.Dst] = rows
	default:
		for i, row := range s.Rows() {
			to := v.names[s.Dst][row]
			if s.Add {
				values[i] = oracle.Add([]oracle.Sum{*to}, values[i:i+1])[0]
			}
			*to = values[i]
		}
	}
}

// expr is the rows of an expression: those of a view are shared, others are fresh.
func (v *Labels) expr(e inplace.Expr) []*oracle.Sum {
	if e.Op == inplace.OpView {
		return oracle.Gather(v.names[e.Name], e.Rows())
	}
	args := make([][]oracle.Sum, len(e.Args))
	for i, a := range e.Args {
		for _, row := range v.expr(a) {
			args[i] = append(args[i], *row)
		}
	}
	switch e.Op {
	case inplace.OpCat:
		return shared(oracle.Cat(args...))
	case inplace.OpRoll:
		return shared(oracle.Roll(args[0], e.K))
	case inplace.OpGather:
		return shared(oracle.Gather(args[0], e.Index))
	case inplace.OpFlip:
		return shared(oracle.Flip(args[0]))
	case inplace.OpAdd:
		return shared(oracle.Add(args...))
	case inplace.OpIndexCopy:
		return shared(oracle.IndexCopy(args[0], e.Index, args[1]))
	}
	return shared(oracle.Clone(args[0]))
}

// Compare finds the first cell that differs from value semantics in the memory of the
// outputs: the buffers, then what was returned, as far as it is given. It counts those of
// that output alone, as a device does, which stops at it.
func (v *Values) Compare(mem [][]byte) *corpus.Divergence {
	var d *corpus.Divergence
	size := v.shape.DType.Size()
	for i := range min(len(mem), len(v.outputs)) {
		if mem[i] == nil { // not asked
			continue
		}
		if d != nil {
			break
		}
		out := &v.outputs[i]
		x := v.tensor(i, mem[i])
		for lane := range x.Lanes() {
			for row := range out.rows {
				want, got := v.want(lane, *out.rows[row]), x.Row(lane, row)
				if bytes.Equal(got, want) {
					continue
				}
				for e := range x.Dim {
					if bytes.Equal(got[e*size:(e+1)*size], want[e*size:(e+1)*size]) {
						continue
					}
					if d == nil {
						v.wrong = i
						d = &corpus.Divergence{Tensor: out.name, Lane: lane, Row: row, Elem: e, Got: v.describe(got, lane, e), Want: v.name(*out.rows[row])}
					}
					d.Wrong++
				}
			}
		}
	}
	return d
}

// tensor is the memory of an output, row by row.
func (v *Values) tensor(output int, mem []byte) impls.Tensor {
	out := &v.outputs[output]
	x := impls.TensorOver(v.shape, len(out.rows), mem)
	if !out.transposed {
		return x
	}
	rows := impls.TensorOver(v.shape, len(out.rows), make([]byte, len(mem)))
	size := v.shape.DType.Size()
	for lane := range x.Lanes() {
		for row := range len(out.rows) {
			for e := range x.Dim {
				copy(rows.Row(lane, row)[e*size:(e+1)*size], mem[((lane*x.Dim+e)*x.Rows+row)*size:])
			}
		}
	}
	return rows
}

// want is the bytes of a row of a lane.
func (v *Values) want(lane int, s oracle.Sum) []byte {
	first := v.start[s[0].Buffer].Row(lane, s[0].Row)
	if len(s) == 1 {
		return first
	}
	sum := bytes.Clone(first)
	for _, l := range s[1:] {
		oracle.AddCells(v.shape.DType == impls.F32, sum, v.start[l.Buffer].Row(lane, l.Row))
	}
	return sum
}

func (v *Values) name(s oracle.Sum) string {
	parts := make([]string, len(s))
	for i, l := range s {
		parts[i] = fmt.Sprintf("row %d of %s", l.Row, v.p.Buffers[l.Buffer].Name)
	}
	return "what " + strings.Join(parts, " plus ") + " held"
}

// describe says which row of the start a row holds. In a program that adds it says which
// two it may be the sum of instead; then, where the whole row is neither, the same of
// the one cell that is wrong, and else its number.
func (v *Values) describe(row []byte, lane, elem int) string {
	if what := v.explain(row, lane, 0, len(row)); what != "" {
		return what
	}
	if !v.adds {
		return "parts of several rows"
	}
	size := v.shape.DType.Size()
	cell := row[elem*size : (elem+1)*size]
	if what := v.explain(cell, lane, elem*size, (elem+1)*size); what != "" {
		return what
	}
	bits := binary.LittleEndian.Uint32(cell)
	if v.shape.DType == impls.F32 {
		return "the number " + strconv.FormatFloat(float64(math.Float32frombits(bits)), 'f', -1, 32)
	}
	return fmt.Sprintf("the number %d", int32(bits))
}

// explain says what rows of the start hold, alone or two added, in their bytes from to
// to-1: of the same lane first; "" for none.
func (v *Values) explain(held []byte, lane, from, to int) string {
	for k := range v.shape.Lanes() {
		l := (lane + k) % v.shape.Lanes()
		where := ""
		if l != lane {
			where = fmt.Sprintf(" in lane %d", l)
		}
		var all []oracle.Label
		for b := range v.start {
			for r := range v.start[b].Rows {
				at := oracle.Label{Buffer: b, Row: r}
				if all = append(all, at); bytes.Equal(v.start[b].Row(l, r)[from:to], held) {
					return v.name(oracle.Sum{at}) + where
				}
			}
		}
		for i := 0; v.adds && i < len(all); i++ {
			for _, second := range all[i:] {
				if s := (oracle.Sum{all[i], second}); bytes.Equal(v.want(l, s)[from:to], held) {
					return v.name(s) + where
				}
			}
		}
	}
	return ""
}

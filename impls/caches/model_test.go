package caches

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// op is one operation on a cache. An append has one number for all entries, or one
// for each.
type op struct {
	kind string
	n    []int
}

// token is what a list of tokens knows of one: the row of each layer.
type token []row

// model is what must be true: for each entry, every token that it has had.
type model [][]token

func (m model) clone() model {
	c := slices.Clone(m)
	for b := range c {
		c[b] = slices.Clone(c[b])
	}
	return c
}

// rig is a cache beside the list of its tokens.
type rig struct {
	info   Info
	shape  impls.Shape
	cache  impls.Cache
	tokens model
	saved  map[int]model
	serial int
	last   [2]impls.Tensor // what was returned last, for chunks that are views of it
	counts map[string][2]int
}

func newRig(info Info, s impls.Shape) (*rig, error) {
	c, err := New(info.Name, s)
	if err != nil {
		return nil, err
	}
	r := &rig{info: info, shape: s, cache: c, saved: map[int]model{}, counts: map[string][2]int{}}
	r.tokens = make(model, s.Batch)
	return r, nil
}

// windows is the window of each layer; a cache without layers has one.
func (r *rig) windows() []int {
	if c, ok := r.cache.(impls.Layered); ok {
		return c.Layers()
	}
	return []int{r.shape.Window}
}

func (r *rig) sinks() int {
	if c, ok := r.cache.(impls.Sinker); ok {
		return c.Sinks()
	}
	return 0
}

// fill writes bytes that no other token, lane, tensor or layer has, as far as bytes
// can differ, and never zero alone.
func (r *rig) fill(t *impls.Tensor, tensor, layer int) {
	for lane := range t.Lanes() {
		for q := range t.Rows {
			for i := range t.Row(lane, q) {
				x := uint64(r.serial+q)*1_000_003 + uint64(lane)*8191 + uint64(tensor)*131 + uint64(layer)*17 + uint64(i) + 1
				x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
				x = (x ^ x>>27) * 0x94d049bb133111eb
				t.Row(lane, q)[i] = byte(x>>32)%255 + 1
			}
		}
	}
}

// refuses is whether a chunk of q tokens must be refused.
func (r *rig) refuses(q int) bool {
	w := r.shape.Window
	n := 0
	for _, list := range r.tokens {
		n = max(n, len(list))
	}
	kind := ""
	switch {
	case q == 0:
		kind = "empty"
	case q > w:
		kind = "long"
	case q > 1 && n+q > w:
		kind = "crossing"
	}
	if r.info.Narrow && (kind == "empty" || kind == "crossing") {
		return true
	}
	return q != 1 && (slices.Contains(r.info.Without, kind) || r.info.MaxChunk != nil && q > r.info.MaxChunk(w))
}

// step does one operation and says what is wrong afterwards.
func (r *rig) step(o op) error {
	var err error
	var done model // what is true if the cache accepts
	must := ""     // "take" or "refuse"; else the cache may choose
	before := ""
	if o.kind == "select" || o.kind == "crop" || o.kind == "crop-each" || o.kind == "restore" {
		before = dump(r.cache)
	}
	switch o.kind {
	case "append", "view":
		return r.append(o)
	case "odd":
		return r.odd(o.n[0])
	case "reset":
		r.cache.Reset()
		r.tokens = make(model, r.shape.Batch)
		return nil
	case "select":
		must = "take"
		for _, b := range o.n {
			if b < 0 || b >= len(r.tokens) {
				must = "refuse"
				break
			}
			done = append(done, r.tokens[b])
		}
		if len(o.n) == 0 {
			must = "refuse"
		}
		done = done.clone()
		err = r.cache.(impls.Selector).Select(o.n)
	case "crop", "crop-each":
		lengths := o.n
		if o.kind == "crop" {
			lengths = slices.Repeat(o.n, len(r.tokens))
			err = r.cache.(impls.Cropper).Crop(o.n[0])
		} else {
			err = r.cache.(impls.RaggedCropper).CropEach(o.n)
		}
		if done = r.tokens.clone(); len(lengths) != len(done) || slices.Min(lengths) < 0 {
			must = "refuse"
			break
		}
		for b, n := range lengths {
			done[b] = done[b][:min(n, len(done[b]))]
		}
	case "snapshot":
		must, done = "take", r.tokens
		if err = r.cache.(impls.Snapshotter).Snapshot(o.n[0]); err == nil {
			r.saved[o.n[0]] = r.tokens.clone()
		}
	case "restore":
		was, ok := r.saved[o.n[0]]
		if must = "refuse"; ok {
			must, done = "take", was.clone()
		}
		err = r.cache.(impls.Snapshotter).Restore(o.n[0])
	}
	return r.verdict(o.kind, must, before, done, err)
}

// verdict judges whether an operation was refused that must be taken or the other way
// round, and that a refusal changed nothing.
func (r *rig) verdict(kind, must, before string, done model, err error) error {
	count := r.counts[kind]
	if err == nil {
		count[0]++
	} else {
		count[1]++
	}
	r.counts[kind] = count
	switch {
	case err == nil && must == "refuse":
		return fmt.Errorf("%s was taken that must be refused", kind)
	case err != nil && must == "take":
		return fmt.Errorf("%s was refused: %w", kind, err)
	case err == nil:
		r.tokens = done
		return nil
	}
	if after := dump(r.cache); after != before {
		return fmt.Errorf("the refusal of %s changed the cache:\n%s\n%s", kind, before, after)
	}
	return nil
}

// odd hands over a chunk of q rows that is of another shape than the cache's, one
// difference after the other.
func (r *rig) odd(q int) error {
	before := dump(r.cache)
	s := r.shape
	s.Batch = len(r.tokens)
	for i := range 7 {
		ks, vs, vq := s, s, q
		switch i {
		case 0:
			ks.Batch, vs.Batch = s.Batch+1, s.Batch+1
		case 1:
			ks.Heads++
		case 2:
			vs.Dim++
		case 3:
			vs.DType = (s.DType + 1) % 5
		case 4:
			vq++
		case 5:
			ks.DType, vs.DType = (s.DType+1)%5, (s.DType+1)%5
		case 6:
			if ks.Batch = s.Batch - 1; ks.Batch == 0 {
				continue
			}
		}
		k, v := impls.NewTensor(ks, q), impls.NewTensor(vs, vq)
		_, _, err := r.update(0, k, v, nil)
		if err := r.verdict("odd", "refuse", before, nil, err); err != nil {
			return fmt.Errorf("chunk %d of another shape: %w", i, err)
		}
	}
	return nil
}

func (r *rig) update(layer int, k, v impls.Tensor, lengths []int) (impls.Tensor, impls.Tensor, error) {
	if c, ok := r.cache.(impls.Layered); ok {
		return c.UpdateLayer(layer, k, v)
	}
	if lengths != nil {
		return r.cache.(impls.RaggedUpdater).UpdateEach(k, v, lengths)
	}
	return r.cache.Update(k, v)
}

// append hands a chunk to every layer and judges what comes back.
func (r *rig) append(o op) error {
	q, batch := slices.Max(o.n), len(r.tokens)
	lengths := slices.Repeat(o.n[:1], batch)
	var each []int
	if len(o.n) > 1 {
		lengths, each = o.n, o.n
	}
	s := r.shape
	s.Batch = batch
	before, must := "", "take"
	if each != nil && (len(each) != batch || slices.Min(each) < 0) || r.refuses(q) {
		before, must = dump(r.cache), "refuse"
	}
	done := r.tokens.clone()
	if must == "take" {
		for b := range done {
			for range lengths[b] {
				done[b] = append(done[b], nil)
			}
		}
	}
	for layer, window := range r.windows() {
		in := [2]impls.Tensor{impls.NewTensor(s, q), impls.NewTensor(s, q)}
		for t := range in {
			r.fill(&in[t], t, layer)
			if o.kind == "view" && r.last[t].Batch == batch && r.last[t].Rows >= q {
				in[t] = r.last[t].Slice(r.last[t].Rows-q, r.last[t].Rows)
			}
		}
		view := o.kind == "view"
		given := [2]impls.Tensor{in[0].Clone(s), in[1].Clone(s)}
		k, v, err := r.update(layer, in[0], in[1], each)
		if layer > 0 && err != nil {
			return fmt.Errorf("layer %d refused what layer 0 took: %w", layer, err)
		}
		if err != nil {
			return r.verdict(o.kind, must, before, nil, err)
		}
		if must == "refuse" {
			return fmt.Errorf("a chunk of %v was taken that must be refused", o.n)
		}
		for t := range given {
			if !view && !same(&in[t], &given[t]) {
				return fmt.Errorf("the caller's tensor was changed")
			}
		}
		for b := range done {
			for i, n := 0, len(done[b])-lengths[b]; i < lengths[b]; i++ {
				done[b][n+i] = append(slices.Clone(done[b][n+i]), take(&given[0], &given[1], b, q-lengths[b]+i))
			}
		}
		out := [2]impls.Tensor{k, v}
		if err := r.judge(out, done, lengths, q, layer, window); err != nil {
			return fmt.Errorf("layer %d: %w", layer, err)
		}
		if r.last = out; !view && !r.info.Narrow { // what is the caller's is written to; a whole chunk may be it
			for t := range in {
				for i := range in[t].Data {
					in[t].Data[i] = 0xee
				}
			}
		}
	}
	r.serial += q
	return r.verdict(o.kind, must, before, done, nil)
}

// judge compares what was returned for a chunk with the list.
func (r *rig) judge(out [2]impls.Tensor, tokens model, lengths []int, q, layer, window int) error {
	for t := range out {
		if o := &out[t]; o.Batch != len(tokens) || o.Heads != r.shape.Heads || o.Dim != r.shape.Dim || o.DType != r.shape.DType || o.Rows != out[0].Rows {
			return fmt.Errorf("returned [%d %d %d %d] %s", o.Batch, o.Heads, o.Rows, o.Dim, o.DType)
		}
	}
	rows := out[0].Rows
	var positions [][]int
	var mask [][][]bool
	if c, ok := r.cache.(impls.Positioner); ok {
		positions = c.Positions()
	}
	if c, ok := r.cache.(impls.Masker); ok {
		mask = c.Visible()
	}
	longest := 0
	for b, list := range tokens {
		longest = max(longest, len(list))
		at := usual(len(list), rows)
		if positions != nil {
			at = positions[min(b, len(positions)-1)]
		}
		if len(at) != rows {
			return fmt.Errorf("%d positions for %d rows", len(at), rows)
		}
		claimed := map[int]bool{}
		for row, p := range at {
			if mask != nil && !seen(mask[b], row) {
				continue
			}
			got := take(&out[0], &out[1], b, row)
			switch {
			case p < 0 && len(bytes.Trim(got[0], "\x00"))+len(bytes.Trim(got[1], "\x00")) > 0:
				return fmt.Errorf("entry %d: the empty row %d holds something", b, row)
			case p < 0:
			case p >= len(list) || claimed[p]:
				return fmt.Errorf("entry %d: row %d claims position %d of %d, a second time: %v", b, row, p, len(list), claimed[p])
			case !bytes.Equal(got[0], list[p][layer][0]) || !bytes.Equal(got[1], list[p][layer][1]):
				return fmt.Errorf("entry %d: row %d does not hold token %d", b, row, p)
			}
			claimed[p] = p >= 0
		}
		if r.info.Narrow {
			for p := max(0, len(list)-window); p < len(list); p++ {
				if !claimed[p] {
					return fmt.Errorf("token %d is not returned", p)
				}
			}
			continue
		}
		rowOf := slices.Repeat([]int{-1}, len(list))
		for row, p := range at {
			if p >= 0 && p < len(list) && (mask == nil || seen(mask[b], row)) {
				rowOf[p] = row
			}
		}
		for i := q - lengths[b]; i < q; i++ {
			query := len(list) - q + i
			lo := 0
			if window > 0 {
				lo = max(0, query-window+1)
			}
			for p := range list {
				want := p <= query && (p >= lo || p < r.sinks())
				row := rowOf[p]
				if want && row < 0 {
					return fmt.Errorf("entry %d: the query at %d sees %d, which no row holds", b, query, p)
				}
				if mask != nil && row >= 0 && mask[b][i][row] != want {
					return fmt.Errorf("entry %d: the query at %d sees %d: %v", b, query, p, !want)
				}
			}
		}
	}
	if limit := 2*window - 1 + q + r.sinks(); mask == nil && window > 0 && longest > 4*window && rows > limit {
		return fmt.Errorf("%d rows for %d new tokens after %d, at most %d are needed", rows, q, longest, limit)
	}
	return nil
}

// seen is whether some query attends to a row.
func seen(mask [][]bool, row int) bool {
	return slices.ContainsFunc(mask, func(m []bool) bool { return m[row] })
}

// usual is the positions of rows in the usual order.
func usual(n, rows int) []int {
	at := slices.Repeat([]int{-1}, rows)
	for r := range rows {
		if p := r + max(0, n-rows); p < n {
			at[r] = p
		}
	}
	return at
}

func same(a, b *impls.Tensor) bool {
	for lane := range a.Lanes() {
		for row := range a.Rows {
			if !bytes.Equal(a.Row(lane, row), b.Row(lane, row)) {
				return false
			}
		}
	}
	return true
}

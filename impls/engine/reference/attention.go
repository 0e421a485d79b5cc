package reference

import (
	"fmt"
	"math"
	"slices"
)

// Attention is a way to compute attention. All give the same but for the order in which
// numbers are added.
type Attention string

// The ways: all scores of a head at once, and those that are not seen minus infinity;
// tiles of rows with a running maximum and sum; rows that a predicate picks, and no
// others; heads of keys and values repeated for each query head that shares them.
const (
	AllScores     Attention = "all-scores"
	Tiled         Attention = "tiled"
	Predicate     Attention = "predicate"
	RepeatedHeads Attention = "repeated-heads"
)

// Attentions lists the ways. It is a copy.
func Attentions() []Attention { return []Attention{AllScores, Tiled, Predicate, RepeatedHeads} }

// Check reports a way that there is not.
func (a Attention) Check() error {
	if !slices.Contains(Attentions(), a) {
		return fmt.Errorf("attention %q: want one of %v", a, Attentions())
	}
	return nil
}

// query is what one query attends with, and over what.
type query struct {
	q                    []float32 // [heads, dim]
	keys, values         []float32 // [rows, kvHeads, dim]
	heads, kvHeads, dim  int
	rows                 int
	scale, cap           float32
	sees                 func(row int) bool
	scores, repeated, kv []float32 // working memory, grown as needed
}

// attend writes what each head gets, [heads, dim]: the mean of the values that it sees,
// weighted by exp(score). One that sees nothing gets zeros.
func (a Attention) attend(out []float32, q *query) {
	switch a {
	case Tiled:
		q.tiled(out)
	case Predicate:
		q.predicate(out)
	case RepeatedHeads:
		q.repeatHeads(out)
	default:
		q.allScores(out)
	}
}

// key and val are a row of the keys and of the values that query head h shares.
func (q *query) key(h, row int) []float32 { return q.part(q.keys, h, row) }
func (q *query) val(h, row int) []float32 { return q.part(q.values, h, row) }

func (q *query) part(of []float32, h, row int) []float32 {
	at := (row*q.kvHeads + h/(q.heads/q.kvHeads)) * q.dim
	return of[at : at+q.dim]
}

// score is what a head thinks of a row, capped where the model caps it.
func (q *query) score(head, key []float32) float32 {
	s := dot(head, key) * q.scale
	if q.cap != 0 {
		s = q.cap * tanh(s/q.cap)
	}
	return s
}

func (q *query) allScores(out []float32) {
	q.scores = grown(q.scores, q.rows)
	for h := range q.heads {
		head := q.q[h*q.dim : (h+1)*q.dim]
		for r := range q.rows {
			q.scores[r] = float32(math.Inf(-1))
			if q.sees(r) {
				q.scores[r] = q.score(head, q.key(h, r))
			}
		}
		into := out[h*q.dim : (h+1)*q.dim]
		clear(into)
		if softmax(q.scores) {
			for r, p := range q.scores {
				add(into, p, q.val(h, r))
			}
		}
	}
}

// softmax makes weights of scores. It reports whether there is any: all may be minus
// infinity.
func softmax(scores []float32) bool {
	if len(scores) == 0 {
		return false
	}
	top := slices.Max(scores)
	if math.IsInf(float64(top), -1) {
		return false
	}
	var sum float32
	for i, s := range scores {
		scores[i] = exp(s - top)
		sum += scores[i]
	}
	for i := range scores {
		scores[i] /= sum
	}
	return true
}

// tileRows is how many rows a tile has: few, so that short windows have several.
const tileRows = 4

func (q *query) tiled(out []float32) {
	q.scores = grown(q.scores, tileRows)
	for h := range q.heads {
		head := q.q[h*q.dim : (h+1)*q.dim]
		into := out[h*q.dim : (h+1)*q.dim]
		clear(into)
		top, sum := float32(math.Inf(-1)), float32(0)
		for lo := 0; lo < q.rows; lo += tileRows {
			tile := q.scores[:min(tileRows, q.rows-lo)]
			most := top
			for i := range tile {
				tile[i] = float32(math.Inf(-1))
				if q.sees(lo + i) {
					tile[i] = q.score(head, q.key(h, lo+i))
				}
				most = max(most, tile[i])
			}
			if math.IsInf(float64(most), -1) {
				continue // nothing seen so far, and infinity less infinity is no number
			}
			shrink := exp(top - most)
			top, sum = most, sum*shrink
			for e := range into {
				into[e] *= shrink
			}
			for i, s := range tile {
				p := exp(s - top)
				sum += p
				add(into, p, q.val(h, lo+i))
			}
		}
		for e := range into {
			if sum > 0 {
				into[e] /= sum
			}
		}
	}
}

func (q *query) predicate(out []float32) {
	for h := range q.heads {
		head := q.q[h*q.dim : (h+1)*q.dim]
		q.scores = q.scores[:0]
		for r := range q.rows {
			if q.sees(r) {
				q.scores = append(q.scores, q.score(head, q.key(h, r)))
			}
		}
		into := out[h*q.dim : (h+1)*q.dim]
		clear(into)
		if !softmax(q.scores) {
			continue
		}
		i := 0
		for r := range q.rows {
			if q.sees(r) {
				add(into, q.scores[i], q.val(h, r))
				i++
			}
		}
	}
}

// repeatHeads is allScores over keys and values that each query head has for itself.
func (q *query) repeatHeads(out []float32) {
	n := q.rows * q.heads * q.dim
	q.repeated, q.kv = grown(q.repeated, n), grown(q.kv, n)
	for r := range q.rows {
		for h := range q.heads {
			at := (r*q.heads + h) * q.dim
			copy(q.repeated[at:], q.key(h, r))
			copy(q.kv[at:], q.val(h, r))
		}
	}
	own := *q
	own.keys, own.values, own.kvHeads = q.repeated, q.kv, q.heads
	own.allScores(out)
	q.scores = own.scores
}

// add adds p times x. A weight of zero adds nothing, not even of what is no number.
func add(to []float32, p float32, x []float32) {
	if p == 0 {
		return
	}
	x = x[:len(to)]
	for e := range to {
		to[e] += p * x[e]
	}
}

func exp(x float32) float32  { return float32(math.Exp(float64(x))) }
func tanh(x float32) float32 { return float32(math.Tanh(float64(x))) }

// grown is a slice of n numbers, in the old memory where it has room.
func grown(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n)
	}
	return s[:n]
}

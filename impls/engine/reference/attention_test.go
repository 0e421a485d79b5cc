package reference

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// exact is attention in float64, straight from its definition.
func exact(q *query) []float64 {
	out := make([]float64, q.heads*q.dim)
	for h := range q.heads {
		weights, sum, top := make([]float64, q.rows), 0.0, math.Inf(-1)
		for r := range q.rows {
			s := 0.0
			for e, k := range q.key(h, r) {
				s += float64(q.q[h*q.dim+e]) * float64(k)
			}
			s *= float64(q.scale)
			if q.cap != 0 {
				s = float64(q.cap) * math.Tanh(s/float64(q.cap))
			}
			weights[r] = math.Inf(-1)
			if q.sees(r) {
				weights[r] = s
			}
			top = max(top, weights[r])
		}
		if math.IsInf(top, -1) {
			continue
		}
		for r := range weights {
			weights[r] = math.Exp(weights[r] - top)
			sum += weights[r]
		}
		for r, w := range weights {
			for e, v := range q.val(h, r) {
				out[h*q.dim+e] += w / sum * float64(v)
			}
		}
	}
	return out
}

// Each way to compute attention agrees with float64, for grouped heads, soft caps, large
// scores, and queries that see some rows, one, or none; and a query that sees one row
// more does not.
func TestAttentionIsThatOfFloat64(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	numbers := func(n int, scale float64) []float32 {
		list := make([]float32, n)
		for i := range list {
			list[i] = float32(scale * random.NormFloat64())
		}
		return list
	}
	worst, none, different := map[Attention]float64{}, 0, 0
	for range 400 {
		kv := 1 + random.IntN(3)
		q := query{kvHeads: kv, heads: kv * (1 + random.IntN(3)), dim: 2 * (1 + random.IntN(6)), rows: random.IntN(20)}
		q.scale, q.cap = float32(math.Pow(10, random.Float64()*3-1)), float32(random.IntN(2)*5)
		q.q = numbers(q.heads*q.dim, 1)
		q.keys, q.values = numbers(q.rows*q.kvHeads*q.dim, 1), numbers(q.rows*q.kvHeads*q.dim, 1)
		seen, any := make([]bool, q.rows), false
		part := random.Float64() * 1.2
		for r := range seen {
			seen[r] = random.Float64() < part
			any = any || seen[r]
		}
		q.sees = func(r int) bool { return seen[r] }
		want := exact(&q)
		if !any {
			none++
		}
		var got []float32
		for _, a := range Attentions() {
			got = numbers(len(want), 1) // what was there does not count
			a.attend(got, &q)
			for i := range want {
				worst[a] = max(worst[a], math.Abs(want[i]-float64(got[i])))
			}
		}
		if q.rows > 1 {
			seen[0] = !seen[0]
			for i, x := range exact(&q) {
				if math.Abs(x-float64(got[i])) > 1e-3 {
					different++
					break
				}
			}
		}
	}
	t.Log("largest differences:", worst)
	require.Len(t, worst, 4)
	for a, d := range worst {
		require.Less(t, d, 1e-5, a)
	}
	require.Positive(t, none)
	require.Greater(t, different, 200)
}

// No row that is not seen has a part in it, even where its values are no numbers.
func TestAttentionLeavesOutWhatIsNotSeen(t *testing.T) {
	nan := float32(math.NaN())
	for _, a := range Attentions() {
		out := make([]float32, 2)
		q := query{q: []float32{1, 1}, keys: []float32{1, 1, nan, nan, 0, 2}, values: []float32{4, 5, nan, nan, 8, 9}, heads: 1, kvHeads: 1, dim: 2, rows: 3, scale: 1}
		q.sees = func(r int) bool { return r != 1 }
		a.attend(out, &q)
		require.Equal(t, []float32{6, 7}, out, a)
	}
	require.Error(t, Attention("flash").Check())
}

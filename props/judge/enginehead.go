package judge

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// The bounds of a verdict.
const (
	// margin is how far n times a share may be from a whole number. A sound engine that
	// adds up in F32 and rounds each stored tensor once was 0.07 off at most (BF16, a
	// window of 1,024); 0.5 would decide everything, and wrongly.
	margin = 0.3
	// sureMargin is that for another number of tokens than those that must be seen: a
	// sound engine outside margin must not be taken for a wrong one.
	sureMargin = 0.1
	// A lookup whose target is visible finds it with found of its attention or more. What
	// lies between the two is undecided: quantised keys make a lookup less sharp.
	found, notFound = 0.9, 0.6
	// unbalanced is how far from its count a token of a balanced head is that is wrong.
	unbalanced = 0.5
	// leastEmpty is the least part of the attention that is taken for rows without a
	// token: the norms that it is read through are rounded too.
	leastEmpty = 0.03
)

// query is a query and what it must see.
type query struct {
	r               *request
	position, first int
	layer           int
	identities      int
}

// must is the identities of the tokens that it must see.
func (q *query) must() []int { return q.r.tokens[q.first : q.position+1] }

// target is the position of the token that a lookup looks for, -1 where the query must not
// see it. A key names an identity, so that after a crop or a fork it may be none of its
// tokens.
func (q *query) target(a *Attention) int {
	if a.Role == Distance {
		if p := q.position - a.Offset; p >= q.first {
			return p
		}
		return -1
	}
	identity := ((q.r.tokens[q.position]-a.Offset)%q.identities + q.identities) % q.identities
	if !slices.Contains(q.must(), identity) {
		return -1
	}
	return q.lastOf(identity)
}

// wrong is something that a head saw and must not have, or has not seen.
type wrong struct {
	q               *query
	role            Role
	head, heads, of int // the first head, how many are wrong alike, and of how many of its role
	fault           corpus.Fault
	detail          string
	seen            []corpus.Attended
}

// rank orders what is wrong by what says most: the order of corpus.EngineFaults.
func (w *wrong) rank() int { return slices.Index(corpus.EngineFaults(), w.fault) }

// head judges what a head saw. open is whether that cannot be told.
func (j *EngineJudge) head(q *query, a *Attention) (w *wrong, open bool) {
	switch a.Role {
	case Uniform:
		return j.uniform(q, a)
	case Balanced:
		return j.balanced(q, a)
	}
	target := q.target(a)
	if target < 0 {
		return nil, false // a lookup without a target amplifies what is rounded
	}
	switch share := a.Shares[q.r.tokens[target]]; {
	case share >= found:
		return nil, false
	case share > notFound:
		return nil, true
	}
	return j.notFound(q, a, target), false
}

// uniform judges a head that attends to all that it sees alike.
func (j *EngineJudge) uniform(q *query, a *Attention) (w *wrong, open bool) {
	n := q.position - q.first + 1
	want := oracle.CountIdentities(q.must(), q.identities)
	if a.Crowded {
		return j.crowded(q, a, want)
	}
	got := countShares(a, n)
	if got.off <= margin && got.padding+got.other+got.empty == 0 && slices.Equal(got.tokens, want) {
		j.Worst = max(j.Worst, got.off)
		return nil, false
	}
	if got.off > margin || got.sum != n {
		other, ok := j.otherCount(a, n)
		switch {
		case ok:
			got = other
		case got.off > margin:
			return nil, true
		}
	}
	return j.seen(q, want, got), false
}

// crowded judges a head of which it is not known whether it saw tokens beside those given:
// wrong is that it saw one of these and must not, and nothing else can be told.
func (j *EngineJudge) crowded(q *query, a *Attention, want []int) (w *wrong, open bool) {
	got, ok := j.otherCount(a, q.position-q.first+1)
	extra := false
	for t, n := range got.tokens {
		extra = extra || n > 0 && want[t] == 0
		if n == 0 {
			want[t] = 0
		}
	}
	if !ok || !extra {
		return nil, true
	}
	return j.seen(q, want, got), false
}

// balanced judges a head whose shares are those of a uniform one where keys are whole.
// What the uniform heads see that they must not is told of those.
func (j *EngineJudge) balanced(q *query, a *Attention) (w *wrong, open bool) {
	n := float64(q.position - q.first + 1)
	want := oracle.CountIdentities(q.must(), q.identities)
	most, at := 0., 0
	for t, share := range a.Shares {
		if off := math.Abs(n*share - float64(want[t])); off > most {
			most, at = off, t
		}
	}
	switch {
	case most <= margin:
		return nil, false
	case most < unbalanced:
		return nil, true
	}
	name := fmt.Sprintf("identity %d", at)
	if want[at] > 0 {
		name = fmt.Sprintf("token %d", q.lastOf(at))
	}
	return &wrong{q: q, fault: corpus.FaultKeys, detail: fmt.Sprintf("gives %s %.2f of a token's share, not %d: its key, or another's, is not what was computed", name, n*a.Shares[at], want[at])}, false
}

// counts is how often a head saw each identity, where it saw sum rows.
type headCounts struct {
	tokens                []int
	padding, other, empty int
	sum                   int     // of all but empty
	off                   float64 // how far from whole numbers they were
}

// countShares is the counts of a head that saw n tokens.
func countShares(a *Attention, n int) headCounts {
	c := headCounts{tokens: make([]int, len(a.Shares))}
	whole := func(share float64) int {
		x := share * float64(n)
		c.off = max(c.off, math.Abs(x-math.Round(x)))
		return int(math.Round(x))
	}
	for t, share := range a.Shares {
		c.tokens[t] = whole(share)
		c.sum += c.tokens[t]
	}
	c.padding, c.other = whole(a.Padding), whole(a.Other)
	c.sum += c.padding + c.other
	if a.Empty >= leastEmpty && a.Empty < 1 {
		// Empty is of all rows, the others of those that hold something.
		c.empty = int(math.Floor(float64(n)*a.Empty/(1-a.Empty) + margin))
	}
	return c
}

// otherCount looks for another number of tokens with which all counts are whole numbers
// and add up to it: a head that saw more or fewer than it must.
func (j *EngineJudge) otherCount(a *Attention, n int) (headCounts, bool) {
	rows := 0
	for _, r := range j.state.order {
		rows += len(r.tokens) + len(r.cut) + r.pad
	}
	for other := 1; other <= rows+n; other++ {
		if c := countShares(a, other); c.off <= sureMargin && c.sum == other {
			return c, true
		}
	}
	return headCounts{}, false
}

// seen says what a head saw that is not what it must have seen.
func (j *EngineJudge) seen(q *query, want []int, got headCounts) *wrong {
	w := &wrong{q: q, fault: corpus.FaultCounts}
	worse := func(f corpus.Fault, detail string) {
		if x := (&wrong{fault: f}); x.rank() < w.rank() || w.detail == "" {
			w.fault, w.detail = f, detail
		}
	}
	from := q.from(want, got.tokens)
	for t, n := range got.tokens {
		switch {
		case n > 0 && want[t] == 0:
			f, name := j.whose(q, t, from)
			w.seen = append(w.seen, corpus.Attended{Token: name, Got: n})
			if own := q.r.tokens[from:q.first]; len(own) > 1 && slices.Contains(own, t) {
				name = q.wider(from)
			}
			worse(f, "sees "+name)
		case n == 0 && want[t] > 0:
			worse(corpus.FaultMissing, "does not see token "+fmt.Sprint(q.lastOf(t)))
		case n != want[t]:
			worse(corpus.FaultCounts, fmt.Sprintf("sees token %d %s, not %d", q.lastOf(t), corpus.Plural(n, "time"), want[t]))
		}
	}
	if got.padding > 0 {
		worse(corpus.FaultPadding, "sees padding")
		w.seen = append(w.seen, corpus.Attended{Token: "padding", Got: got.padding})
	}
	if got.other > 0 {
		worse(corpus.FaultAdded, "sees a token that nobody gave it, as the begin of a text")
		w.seen = append(w.seen, corpus.Attended{Token: "what is no identity", Got: got.other})
	}
	if got.empty > 0 {
		worse(corpus.FaultEmpty, fmt.Sprintf("sees %s without a token", corpus.Plural(got.empty, "row")))
		w.seen = append(w.seen, corpus.Attended{Token: "empty rows", Got: got.empty})
	}
	for p := q.first; p <= q.position; p++ {
		t := q.r.tokens[p]
		w.seen = append(w.seen, corpus.Attended{Token: fmt.Sprintf("token %d of %s", p, q.r.name), Want: want[t], Got: got.tokens[t]})
	}
	return w
}

// from is the position of the first of its request's tokens that a query saw without a gap.
func (q *query) from(want, got []int) int {
	more := slices.Clone(got)
	for t := range more {
		more[t] -= want[t]
	}
	p := q.first
	for ; p > 0 && more[q.r.tokens[p-1]] > 0; p-- {
		more[q.r.tokens[p-1]]--
	}
	return p
}

// wider says that a query saw its request's tokens from a position on. All of them may be
// what a window shows that is wider than they are many.
func (q *query) wider(from int) string {
	as := fmt.Sprintf("in a window of %d", q.position-from+1)
	if from == 0 {
		as = fmt.Sprintf("without a window, or in one of %d or more", q.position+1)
	}
	return fmt.Sprintf("tokens %d to %d, which have left the window, as %s", from, q.first-1, as)
}

// lastOf is the newest position of an identity that a query must see.
func (q *query) lastOf(identity int) int {
	return q.first + len(q.must()) - 1 - slices.Index(reversed(q.must()), identity)
}

func reversed(list []int) []int {
	r := slices.Clone(list)
	slices.Reverse(r)
	return r
}

// whose says which token has an identity that a query saw and must not: where several have,
// that of its own request if it saw all of its own from there on, else the nearest to what
// it must see, of two as near its own. A window that is too wide, or missing, is no leak.
func (j *EngineJudge) whose(q *query, identity, from int) (corpus.Fault, string) {
	if i := slices.Index(reversed(q.r.tokens[from:q.first]), identity); i >= 0 {
		return corpus.FaultStale, fmt.Sprintf("token %d, which has left the window", q.first-1-i)
	}
	type candidate struct {
		far   int // how far from what a request holds now
		fault corpus.Fault
		name  string
	}
	var all []candidate
	add := func(far int, f corpus.Fault, format string, args ...any) {
		all = append(all, candidate{far, f, fmt.Sprintf(format, args...)})
	}
	for _, r := range append([]*request{q.r}, j.state.order...) {
		for p := len(r.tokens) - 1; p >= 0; p-- {
			if r.tokens[p] != identity {
				continue
			}
			switch own := r == q.r; {
			case own && p > q.position:
				add(p-q.position, corpus.FaultFuture, "token %d, which comes later", p)
			case own && p < q.first:
				add(q.first-p, corpus.FaultStale, "token %d, which has left the window", p)
			case r.ended:
				add(len(r.tokens)-p+j.point.Identities, corpus.FaultStale, "token %d of request %s, which has ended", p, r.name)
			case !own:
				add(len(r.tokens)-p, corpus.FaultForeign, "token %d of request %s", p, r.name)
			}
			break // older ones are further off
		}
		for _, c := range r.cut {
			if c.identity != identity {
				continue
			}
			if r == q.r {
				add(1, corpus.FaultStale, "token %d, which a crop cut off", c.position)
			} else {
				add(j.point.Identities, corpus.FaultForeign, "token %d of request %s, which a crop cut off", c.position, r.name)
			}
		}
	}
	if len(all) == 0 {
		return corpus.FaultFuture, fmt.Sprintf("identity %d, which nobody has", identity)
	}
	best := slices.MinFunc(all, func(a, b candidate) int { return a.far - b.far })
	return best.fault, best.name
}

// notFound says what a lookup found instead of its target.
func (j *EngineJudge) notFound(q *query, a *Attention, target int) *wrong {
	w := &wrong{q: q, fault: corpus.FaultPaired}
	what := "the values of token"
	if a.Role == Distance {
		w.fault, what = corpus.FaultPosition, "token"
	}
	most := 0
	for t, share := range a.Shares {
		if share > a.Shares[most] {
			most = t
		}
	}
	w.detail = fmt.Sprintf("looks for %s %d, %d before, and finds %.2f of it", what, target, a.Offset, a.Shares[q.r.tokens[target]])
	name := ""
	if i := slices.Index(reversed(q.must()), most); i >= 0 {
		name = fmt.Sprintf("token %d", q.position-i)
	} else {
		_, name = j.whose(q, most, q.first)
	}
	if a.Shares[most] > 0.5 && most != q.r.tokens[target] {
		w.detail += fmt.Sprintf(" and %.2f of %s", a.Shares[most], name)
	}
	return w
}

// divergence says what is wrong in words.
func (j *EngineJudge) divergence(w *wrong) *corpus.Divergence {
	d := &corpus.Divergence{Tensor: "full", Fault: w.fault, Attended: w.seen}
	if w.q.layer == noLayer {
		d.Tensor, d.Detail = "-", fmt.Sprintf("request %s, step %d: %s", w.q.r.name, w.q.r.steps, w.detail)
		return d
	}
	if j.point.Sliding[w.q.layer] {
		d.Tensor = "sliding"
	}
	if j.explain != nil {
		d.Under = j.explain(w.q.r.name, w.q.r.pad+w.q.position, w.q.layer)
	}
	where := fmt.Sprintf("layer %d", w.q.layer)
	if w.heads < w.of {
		where += fmt.Sprintf(" head %d", w.head)
	}
	step := fmt.Sprintf("request %s, step %d", w.q.r.name, w.q.r.steps)
	if last := len(w.q.r.tokens) - 1; w.q.position < last {
		step += fmt.Sprintf(", token %d", w.q.position)
	}
	d.Detail = fmt.Sprintf("%s, %s %s", step, where, w.detail)
	if w.seen != nil {
		d.Detail += "; must see " + listed(w.q.first, w.q.position)
	}
	return d
}

// listed is the numbers from a to b, in words.
func listed(a, b int) string {
	if b-a >= 4 {
		return fmt.Sprintf("%d to %d", a, b)
	}
	var all []string
	for n := a; n <= b; n++ {
		all = append(all, fmt.Sprint(n))
	}
	return strings.Join(all, ", ")
}

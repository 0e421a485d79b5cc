package judge

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// shares is the shares of a head by identity.
func shares(of map[int]float64) []float64 {
	all := make([]float64, fakeIdentities)
	for t, x := range of {
		all[t] = x
	}
	return all
}

// judgeOf is a judge of a request a of so many tokens, whose identities begin with 0, and
// the query of its last token with a window of so many.
func judgeOf(tokens, window int) (*EngineJudge, *query) {
	j := NewEngine()
	j.point = Checkpoint{fakeIdentities, fakePadding, []bool{true, false}}
	j.state = newEngineState(fakeIdentities)
	r := j.state.begin("a", 0)
	j.state.give(r, tokens)
	return j, &query{r: r, position: tokens - 1, first: max(0, tokens-window), identities: fakeIdentities}
}

// What a lookup looks for, and that it must not find what the query must not see.
func TestLookupTargets(t *testing.T) {
	_, q := judgeOf(6, 3) // sees 3, 4, 5
	for _, x := range []struct {
		role           Role
		offset, target int
	}{
		{Distance, 0, 5},
		{Distance, 2, 3},
		{Distance, 3, -1},
		{Lookup, 0, 5},
		{Lookup, 1, 4},
		{Lookup, 2, 3},
		{Lookup, 3, -1},
		{Lookup, fakeIdentities, 5},
		{Lookup, fakeIdentities + 2, 3},
		{Lookup, 57, -1},
	} {
		require.Equal(t, x.target, q.target(&Attention{Role: x.role, Offset: x.offset}), "%+v", x)
	}
	_, q = judgeOf(fakeIdentities+2, 3) // the last is identity 1 again
	require.Equal(t, fakeIdentities, q.target(&Attention{Role: Lookup, Offset: 1}), "identity 0")
	require.Equal(t, fakeIdentities-1, q.target(&Attention{Role: Lookup, Offset: 2}), "identity 57, counted round")
	require.Equal(t, []int{57, 0, 1}, q.must())
	_, q = judgeOf(2*fakeIdentities, 2*fakeIdentities)
	require.Equal(t, fakeIdentities+3, q.lastOf(3), "the newest of two")
}

// A lookup is right, open or wrong by the share that its target gets.
func TestLookupShares(t *testing.T) {
	for share, want := range map[float64]string{1: "right", 0.9: "right", 0.89: "open", 0.61: "open", 0.6: "wrong", 0: "wrong"} {
		for _, role := range []Role{Lookup, Distance} {
			j, q := judgeOf(6, 3)
			w, open := j.head(q, &Attention{Role: role, Offset: 1, Shares: shares(map[int]float64{4: share, 0: 1 - share})})
			require.Equal(t, want == "wrong", w != nil, share)
			require.Equal(t, want == "open", open, share)
			if w == nil {
				continue
			}
			require.Equal(t, map[Role]corpus.Fault{Lookup: corpus.FaultPaired, Distance: corpus.FaultPosition}[role], w.fault)
			require.Contains(t, w.detail, " 4, 1 before, and finds 0.")
			require.Equal(t, share == 0, w.detail[len(w.detail)-8:] == "e window", "%s: what it finds instead is told where it is most", w.detail)
		}
	}
	j, q := judgeOf(6, 3)
	w, open := j.head(q, &Attention{Role: Lookup, Offset: 3, Shares: shares(nil)})
	require.True(t, w == nil && !open, "no target, no verdict")
	w, _ = j.head(q, &Attention{Role: Lookup, Offset: 1, Shares: shares(map[int]float64{5: 1})})
	require.Equal(t, "looks for the values of token 4, 1 before, and finds 0.00 of it and 1.00 of token 5", w.detail)
	w, _ = j.head(q, &Attention{Role: Distance, Offset: 1, Shares: shares(map[int]float64{3: 0.6, 5: 0.4})})
	require.Equal(t, "looks for token 4, 1 before, and finds 0.00 of it and 0.60 of token 3", w.detail)
	w, _ = j.head(q, &Attention{Role: Distance, Offset: 1, Shares: shares(map[int]float64{3: 0.5, 5: 0.5})})
	require.Equal(t, "looks for token 4, 1 before, and finds 0.00 of it", w.detail)
	// Logits of a broken engine may add up to more: the first of the most is told.
	w, _ = j.head(q, &Attention{Role: Distance, Offset: 1, Shares: shares(map[int]float64{3: 0.6, 4: 0.6, 5: 0.6})})
	require.Equal(t, "looks for token 4, 1 before, and finds 0.60 of it and 0.60 of token 3", w.detail)
}

// Counts are parts of a whole number of rows.
func TestCountsOfShares(t *testing.T) {
	c := countShares(&Attention{Shares: shares(map[int]float64{0: 0.25, 1: 0.5}), Padding: 0.25, Other: 0}, 4)
	require.Equal(t, 4, c.sum)
	require.Equal(t, []int{1, 2, 1, 0, 0}, []int{c.tokens[0], c.tokens[1], c.padding, c.other, c.empty})
	require.Zero(t, c.off)
	c = countShares(&Attention{Shares: shares(map[int]float64{0: 0.3}), Other: 0.7}, 4)
	require.Equal(t, []int{1, 3, 4}, []int{c.tokens[0], c.other, c.sum})
	require.InDelta(t, 0.2, c.off, 1e-9)
	for empty, rows := range map[float64]int{0: 0, 0.029: 0, 0.03: 0, 0.2: 1, 0.5: 4, 1: 0} {
		require.Equal(t, rows, countShares(&Attention{Shares: shares(nil), Empty: empty}, 4).empty, empty)
	}
	// Of thirty rows leastEmpty is nearly one, and less than that is none.
	require.Equal(t, 1, countShares(&Attention{Shares: shares(nil), Empty: leastEmpty}, 30).empty)
	require.Equal(t, 0, countShares(&Attention{Shares: shares(nil), Empty: 0.029}, 30).empty)
	// 0.15 of all rows are 0.7 for each of the four others: one, within the margin.
	require.Equal(t, 1, countShares(&Attention{Shares: shares(nil), Empty: 0.15}, 4).empty)
	require.Equal(t, 0, countShares(&Attention{Shares: shares(nil), Empty: 0.14}, 4).empty)
}

// Another number of rows is looked for up to all that there are, more or fewer.
func TestOtherCounts(t *testing.T) {
	j, _ := judgeOf(6, 3)
	fifths := &Attention{Shares: shares(map[int]float64{1: 0.2, 2: 0.2, 3: 0.2, 4: 0.2, 5: 0.2})}
	c, ok := j.otherCount(fifths, 3)
	require.True(t, ok)
	require.Equal(t, 5, c.sum)
	c, ok = j.otherCount(&Attention{Shares: shares(map[int]float64{5: 1})}, 3)
	require.True(t, ok)
	require.Equal(t, 1, c.sum)
	ninth := map[int]float64{}
	for i := range 9 {
		ninth[i] = 1. / 9
	}
	c, ok = j.otherCount(&Attention{Shares: shares(ninth)}, 3)
	require.True(t, ok, "six tokens and three more")
	require.Equal(t, 9, c.sum)
	ninth[9], ninth[0] = ninth[0]/2, ninth[0]/2 // of eighteen
	_, ok = j.otherCount(&Attention{Shares: shares(ninth)}, 3)
	require.False(t, ok)
	r := j.state.begin("b", 4)
	j.state.give(r, 6)
	j.state.crop(r, 4)
	_, ok = j.otherCount(&Attention{Shares: shares(ninth)}, 3)
	require.True(t, ok, "another's padding, tokens and what was cut off count")
	_, ok = j.otherCount(&Attention{Shares: shares(map[int]float64{0: 0.37})}, 3)
	require.False(t, ok, "what adds up to less")
}

// A balanced head is right, open or wrong by how far its worst token is off.
func TestBalancedHeads(t *testing.T) {
	for off, want := range map[float64]string{0: "right", 0.29: "right", 0.31: "open", 0.49: "open", 0.51: "wrong"} {
		j, q := judgeOf(6, 3)
		w, open := j.head(q, &Attention{Role: Balanced, Shares: shares(map[int]float64{3: (1 + off) / 3, 4: (1 - off/2) / 3, 5: 1. / 3})})
		require.Equal(t, want == "wrong", w != nil, off)
		require.Equal(t, want == "open", open, off)
		if w != nil {
			require.Equal(t, corpus.FaultKeys, w.fault)
			require.Contains(t, w.detail, "gives token 3 1.51 of a token's share, not 1")
		}
	}
	// The very bounds: of one token that is seen the share is the count.
	for share, want := range map[float64]string{margin: "right", unbalanced: "wrong"} {
		j, q := judgeOf(6, 1)
		w, open := j.head(q, &Attention{Role: Balanced, Shares: shares(map[int]float64{5: 1, 9: share})})
		require.Equal(t, want == "wrong", w != nil, share)
		require.False(t, open, share)
	}
	j, q := judgeOf(6, 3)
	w, _ := j.head(q, &Attention{Role: Balanced, Shares: shares(map[int]float64{3: 1. / 3, 4: 1. / 3, 5: 1. / 3, 9: 0.25})})
	require.Contains(t, w.detail, "gives identity 9 0.75 of a token's share, not 0")
}

// What a uniform head saw is right within a margin, and wrong where another number of
// tokens explains it surely.
func TestUniformHeads(t *testing.T) {
	third := 1. / 3
	for name, x := range map[string]struct {
		a    Attention
		want string // "", "open", or what is said
		seen int    // lines of the table
	}{
		"right":             {Attention{Shares: shares(map[int]float64{3: third, 4: third, 5: third})}, "", 0},
		"nearly right":      {Attention{Shares: shares(map[int]float64{3: 1.28 / 3, 4: 0.72 / 3, 5: third})}, "", 0},
		"not near enough":   {Attention{Shares: shares(map[int]float64{3: 1.4 / 3, 4: 0.6 / 3, 5: third})}, "open", 0},
		"one too many":      {Attention{Shares: shares(map[int]float64{2: 0.25, 3: 0.25, 4: 0.25, 5: 0.25})}, "sees token 2, which has left the window", 4},
		"one twice":         {Attention{Shares: shares(map[int]float64{3: 0.5, 4: 0.25, 5: 0.25})}, "sees token 3 2 times, not 1", 3},
		"one not":           {Attention{Shares: shares(map[int]float64{4: 0.5, 5: 0.5})}, "does not see token 3", 3},
		"padding":           {Attention{Shares: shares(map[int]float64{3: 0.25, 4: 0.25, 5: 0.25}), Padding: 0.25}, "sees padding", 4},
		"padding, not one":  {Attention{Shares: shares(map[int]float64{4: third, 5: third}), Padding: third}, "sees padding", 4},
		"an added token":    {Attention{Shares: shares(map[int]float64{3: 0.25, 4: 0.25, 5: 0.25}), Other: 0.25}, "sees a token that nobody gave it", 4},
		"rows without":      {Attention{Shares: shares(map[int]float64{3: third, 4: third, 5: third}), Empty: 0.25}, "sees 1 row without a token", 4},
		"nobody's identity": {Attention{Shares: shares(map[int]float64{3: 0.25, 4: 0.25, 5: 0.25, 40: 0.25})}, "sees identity 40, which nobody has", 4},
	} {
		j, q := judgeOf(6, 3)
		w, open := j.head(q, &x.a)
		require.Equal(t, x.want == "open", open, name)
		if x.want == "" || x.want == "open" {
			require.Nil(t, w, name)
			continue
		}
		require.NotNil(t, w, name)
		require.Contains(t, w.detail, x.want, name)
		require.Len(t, w.seen, x.seen, name)
		last := w.seen[len(w.seen)-1]
		require.Equal(t, "token 5 of a", last.Token)
		require.Equal(t, 1, last.Want)
		require.Positive(t, last.Got)
	}
}

// Whose token an identity is: of several the nearest to what the query must see.
func TestWhoseTokens(t *testing.T) {
	j, q := judgeOf(8, 3)
	a := q.r
	q.position, q.first = 5, 3
	say := func(identity int, fault corpus.Fault, want string) {
		t.Helper()
		f, name := j.whose(q, identity, q.first)
		require.Equal(t, want, name)
		require.Equal(t, fault, f)
	}
	say(7, corpus.FaultFuture, "token 7, which comes later")
	say(6, corpus.FaultFuture, "token 6, which comes later")
	say(2, corpus.FaultStale, "token 2, which has left the window")
	say(50, corpus.FaultFuture, "identity 50, which nobody has")
	b := j.state.begin("b", 0)
	b.next = 6
	j.state.give(b, 4) // 6 to 9
	say(6, corpus.FaultFuture, "token 6, which comes later")
	say(9, corpus.FaultForeign, "token 3 of request b")
	say(8, corpus.FaultForeign, "token 2 of request b")
	c := j.state.begin("c", 0)
	c.next = 8
	j.state.give(c, 1) // 8, the newest there
	say(8, corpus.FaultForeign, "token 0 of request c")
	j.state.drop("c")
	say(8, corpus.FaultForeign, "token 2 of request b")
	j.state.crop(b, 2) // 8 and 9 go
	say(9, corpus.FaultForeign, "token 3 of request b, which a crop cut off")
	j.state.drop("b")
	say(8, corpus.FaultForeign, "token 2 of request b, which a crop cut off")
	b.cut = nil
	say(8, corpus.FaultStale, "token 0 of request c, which has ended")
	say(7, corpus.FaultFuture, "token 7, which comes later")
	j.state.crop(a, 7)
	say(7, corpus.FaultStale, "token 7, which a crop cut off")
}

// Of two tokens as near, one its own, a query saw its own: the window is too wide.
func TestWhoseOwnToken(t *testing.T) {
	j, _ := judgeOf(1, 1)
	b := j.state.begin("b", 0)
	b.next = 0
	j.state.give(b, 2)
	f, name := j.whose(&query{r: b, position: 1, first: 1, identities: fakeIdentities}, 0, 1)
	require.Equal(t, "token 0, which has left the window", name)
	require.Equal(t, corpus.FaultStale, f)
}

// An engine without a window sees all of a request's own tokens, and is not said to see those
// of another request that have the same identities and are nearer.
func TestMissingWindowIsNoLeak(t *testing.T) {
	look := func(seen ...int) *wrong {
		j, q := judgeOf(12, 3) // must see 9, 10, 11
		b := j.state.begin("b", 0)
		b.next = 0
		j.state.give(b, 5) // 0 to 4
		c := j.state.begin("c", 0)
		c.next = 30
		j.state.give(c, 1)
		of := map[int]float64{}
		for _, t := range append(seen, 9, 10, 11) {
			of[t] = 1 / float64(len(seen)+3)
		}
		w, open := j.head(q, &Attention{Shares: shares(of)})
		require.False(t, open)
		return w
	}
	w := look(0, 1, 2, 3, 4, 5, 6, 7, 8)
	require.Equal(t, corpus.FaultStale, w.fault)
	require.Equal(t, "sees tokens 0 to 8, which have left the window, as without a window, or in one of 12 or more", w.detail)
	require.Equal(t, "token 4, which has left the window", w.seen[4].Token)
	w = look(4, 5, 6, 7, 8)
	require.Equal(t, corpus.FaultStale, w.fault)
	require.Equal(t, "sees tokens 4 to 8, which have left the window, as in a window of 8", w.detail)
	// The rows of a window may hold an identity twice, or more often.
	j, q := judgeOf(2*fakeIdentities, 3)
	of := make([]float64, fakeIdentities)
	for _, t := range q.r.tokens[q.position-69:] {
		of[t] += 1. / 70
	}
	w, _ = j.head(q, &Attention{Shares: of})
	require.Equal(t, "sees tokens 46 to 112, which have left the window, as in a window of 70", w.detail)
	// With a gap before the window it is another's, which is nearer.
	w = look(4, 7, 8)
	require.Equal(t, corpus.FaultForeign, w.fault)
	require.Equal(t, "sees token 4 of request b", w.detail)
	// A token that is none of its own is another's though the window is missing too.
	w = look(0, 1, 2, 3, 4, 5, 6, 7, 8, 30)
	require.Equal(t, corpus.FaultForeign, w.fault)
	require.Equal(t, "sees token 0 of request c", w.detail)
}

// The words of a divergence: which head where not all of its role are wrong, which token
// where it is not the last, what must be seen where that is known.
func TestWordsOfEngines(t *testing.T) {
	j, q := judgeOf(9, 6)
	say := func(w *wrong, tensor, want string) {
		t.Helper()
		d := j.divergence(w)
		require.Equal(t, tensor, d.Tensor)
		require.Equal(t, want, d.Detail)
	}
	seen := []corpus.Attended{{Token: "x"}}
	say(&wrong{q: q, heads: 2, of: 2, detail: "is wrong"}, "sliding", "request a, step 1, layer 0 is wrong")
	say(&wrong{q: q, heads: 1, of: 2, head: 1, detail: "is wrong", seen: seen}, "sliding", "request a, step 1, layer 0 head 1 is wrong; must see 3 to 8")
	early := *q
	early.position, early.first, early.layer = 7, 4, 1
	say(&wrong{q: &early, detail: "is wrong", seen: seen}, "full", "request a, step 1, token 7, layer 1 is wrong; must see 4, 5, 6, 7")
	say(&wrong{q: &query{r: q.r, layer: noLayer}, detail: "is wrong"}, "-", "request a, step 1: is wrong")
	require.Equal(t, "5", listed(5, 5))
	require.Equal(t, "0 to 4", listed(0, 4))
	q.r.pad = 2
	j.explain = func(request string, position, layer int) *corpus.Under {
		require.Equal(t, []any{"a", 10, 0}, []any{request, position, layer})
		return &corpus.Under{Rows: "rows"}
	}
	require.Equal(t, "rows", j.divergence(&wrong{q: q}).Under.Rows)
}

// Of several heads and layers the plainest fault is told, with how many are wrong alike;
// a row that says nothing is a fault of its own.
func TestRowsOfEngines(t *testing.T) {
	j, q := judgeOf(6, 3)
	j.c = &corpus.Case{}
	j.c.Shape.Window = 3
	third := 1. / 3
	right := Attention{Shares: shares(map[int]float64{3: third, 4: third, 5: third})}
	stale := Attention{Shares: shares(map[int]float64{2: 0.25, 3: 0.25, 4: 0.25, 5: 0.25})}
	twice := Attention{Shares: shares(map[int]float64{3: 0.5, 4: 0.25, 5: 0.25})}
	lookup := Attention{Role: Lookup, Offset: 1, Shares: shares(map[int]float64{4: 1})}
	all := Attention{Shares: shares(map[int]float64{0: 1. / 6, 1: 1. / 6, 2: 1. / 6, 3: 1. / 6, 4: 1. / 6, 5: 1. / 6})}
	row := func(layers ...[]Attention) (*wrong, bool) { return j.row(q.r, 5, Reading{Heads: layers}) }
	w, open := row([]Attention{right, right, lookup}, []Attention{all, all, lookup})
	require.True(t, w == nil && !open)
	w, _ = row([]Attention{right, stale, lookup}, []Attention{all, all, lookup})
	require.Equal(t, []int{1, 1, 2, 0}, []int{w.head, w.heads, w.of, w.q.layer})
	w, _ = row([]Attention{stale, stale, lookup}, []Attention{all, right, lookup})
	require.Equal(t, corpus.FaultStale, w.fault, "says more than that one is missing in the layer without a window")
	require.Equal(t, []int{0, 2, 2, 0}, []int{w.head, w.heads, w.of, w.q.layer})
	w, _ = row([]Attention{twice, stale, stale}, []Attention{all})
	require.Equal(t, []int{1, 2, 3}, []int{w.head, w.heads, w.of})
	w, _ = row([]Attention{right}, []Attention{all, right})
	require.Equal(t, []int{1, 1, 2, 1}, []int{w.head, w.heads, w.of, w.q.layer})
	require.Equal(t, 0, w.q.first)
	w, _ = j.row(q.r, 5, Reading{Err: errors.New("no number")})
	require.Equal(t, corpus.FaultLogits, w.fault)
	require.Equal(t, noLayer, w.q.layer)
}

// The rows of a forward are those of the last tokens, or of all of them but padding.
func TestRowsByToken(t *testing.T) {
	j, _ := judgeOf(2, 2)
	j.c = &corpus.Case{}
	b := j.state.begin("b", 3)
	given := append([]int{fakePadding, fakePadding, fakePadding}, j.state.give(b, 2)...)
	bad := func(n, at int) []Reading {
		rows := make([]Reading, n)
		rows[at].Err = errors.New("no number")
		return rows
	}
	batch := []Tokens{{Request: "a", Tokens: []int{0, 1}}, {Request: "b", Tokens: given, Pad: 3}}
	for at, request := range []string{"a", "b"} {
		d := j.rows(batch, bad(2, at), false)
		require.Contains(t, d.Detail, "request "+request+", step 1: no number")
	}
	for at, request := range []string{"a", "a", "", "", "", "b", "b"} {
		d := j.rows(batch, bad(7, at), true)
		if request == "" {
			require.Nil(t, d, "what padding sees means nothing")
			continue
		}
		require.Contains(t, d.Detail, "request "+request)
	}
	require.Equal(t, EngineCounts{Steps: 9}, j.EngineCounts)
}

// A forward of up to maxAll tokens is asked for all rows, one of more, or of one token a
// request, is not.
func TestAllRows(t *testing.T) {
	for _, x := range []struct {
		ops  string
		want int
	}{{"prompt a 256\n", 256}, {"prompt a 257\n", 1}, {"prompt a 1\n", 1}, {"prompt a 1 + prompt b 1\n", 2}, {"prompt a 1 + prompt b 2\n", 3}} {
		j := NewEngine()
		j.All = true
		f := &counting{}
		f.fake.window, f.fake.requests = 3, map[string][]row{}
		d, err := j.Case(t.Context(), engineCase(t, x.ops), Checkpoint{fakeIdentities, fakePadding, []bool{true, false}}, f)
		require.NoError(t, err)
		require.Nil(t, d)
		require.Equal(t, x.want, f.rows, x.ops)
	}
	j, f := NewEngine(), &counting{less: true}
	f.fake.window, f.fake.requests = 3, map[string][]row{}
	_, err := j.Case(t.Context(), engineCase(t, "prompt a 2\n"), Checkpoint{fakeIdentities, fakePadding, []bool{true, false}}, f)
	require.ErrorContains(t, err, "0 rows of logits, want 1")
}

// counting counts the rows that a fake gives.
type counting struct {
	fake
	rows int
	less bool
}

func (c *counting) Forward(ctx context.Context, batch []Tokens, all bool) ([]Reading, error) {
	rows, err := c.fake.Forward(ctx, batch, all)
	if c.less {
		rows = rows[1:]
	}
	c.rows = len(rows)
	return rows, err
}

// A head of which not all is known is wrong where it saw a token that it must not, and
// nothing else can be told: what it seems to lack it may have seen.
func TestCrowdedHeads(t *testing.T) {
	j, q := judgeOf(6, 3) // must see 3, 4, 5
	w, open := j.head(q, &Attention{Crowded: true, Shares: shares(map[int]float64{2: 0.25, 3: 0.25, 4: 0.25, 5: 0.25})})
	require.False(t, open)
	require.Equal(t, corpus.FaultStale, w.fault)
	require.Equal(t, "sees token 2, which has left the window", w.detail)
	w, _ = j.head(q, &Attention{Crowded: true, Shares: shares(map[int]float64{2: 0.5, 5: 0.5})})
	require.Equal(t, corpus.FaultStale, w.fault, "and not that 3 and 4 are missing")
	for _, unknown := range []map[int]float64{
		{4: 0.5, 5: 0.5},           // 3 may have been seen
		{3: 0.2, 4: 0.3, 5: 0.35},  // no counts at all
		{2: 0.27, 3: 0.4, 5: 0.33}, // nor here
	} {
		w, open = j.head(q, &Attention{Crowded: true, Shares: shares(unknown)})
		require.Nil(t, w)
		require.True(t, open)
	}
}

// Of two requests that have ended and held an identity, the one whose tokens end nearer to
// it is named.
func TestWhoseIdentity(t *testing.T) {
	j, q := judgeOf(4, 2)
	for name, tokens := range map[string][]int{"b": {30, 31, 32}, "c": {20, 21, 22, 23, 24, 25, 26, 27, 28, 30}} {
		j.state.begin(name, 0).tokens = tokens
		j.state.drop(name)
	}
	fault, says := j.whose(q, 30, q.first)
	require.Equal(t, corpus.FaultStale, fault)
	require.Equal(t, "token 9 of request c, which has ended", says)

	j, q = judgeOf(4, 2)
	j.state.begin("b", 0).tokens = []int{30, 31, 32}
	j.state.begin("c", 0).tokens = []int{20, 21, 22, 23, 24, 25, 26, 27, 28, 30}
	fault, says = j.whose(q, 30, q.first)
	require.Equal(t, corpus.FaultForeign, fault)
	require.Equal(t, "token 9 of request c", says)
}

// What a head saw beside what it must see is wrong even where its tokens' counts are right.
func TestUniformHeadSeesMore(t *testing.T) {
	j, q := judgeOf(6, 3)
	a := Attention{Role: Uniform, Shares: shares(map[int]float64{3: 1. / 3, 4: 1. / 3, 5: 1. / 3})}
	w, open := j.head(q, &a)
	require.True(t, w == nil && !open)
	for _, more := range []Attention{{Padding: 1. / 3}, {Other: 1. / 3}, {Padding: 1. / 3, Other: 1. / 3}, {Empty: 0.5}, {Padding: 1. / 3, Empty: 0.25}} {
		more.Role, more.Shares = a.Role, a.Shares
		w, open = j.head(q, &more)
		require.True(t, w != nil && !open, "%+v", more)
	}
}

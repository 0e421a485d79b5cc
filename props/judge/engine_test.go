package judge

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
)

// row is a row that a fake engine stores: its values' identity, that which its key
// names, and its position.
type row struct{ value, key, position int }

// fake is an engine of two layers, one that slides and one that does not, that says what
// it attends to without any arithmetic. The functions plant faults.
type fake struct {
	window   int
	requests map[string][]row
	order    []string
	wide     int                                     // rows beyond the window
	extra    func(f *fake, request string) []row     // further rows that a query sees
	crop     func(f *fake, request string, n int)    // instead of a crop
	stored   func(request string, position int) row  // what a row becomes, nil for what it must
	shares   func(counts []float64, padding float64) // noise
	refuse   bool
	failed   corpus.Fault
}

const fakeIdentities, fakePadding = 58, 59

func (f *fake) Forward(_ context.Context, batch []Tokens, all bool) (rows []Reading, err error) {
	if f.refuse {
		return nil, &impls.RefusedError{Op: "forward", Reason: "no"}
	}
	for _, t := range batch {
		if t.New {
			f.requests[t.Request] = nil
			f.order = append(f.order, t.Request)
		}
		for i, id := range t.Tokens {
			r := row{id, id, len(f.requests[t.Request])}
			if f.stored != nil {
				if other := f.stored(t.Request, r.position); other != (row{}) {
					r = other
				}
			}
			f.requests[t.Request] = append(f.requests[t.Request], r)
			if all || i == len(t.Tokens)-1 {
				rows = append(rows, f.read(t.Request))
			}
		}
	}
	return rows, nil
}

func (f *fake) read(request string) Reading {
	rows := f.requests[request]
	in := rows[max(0, len(rows)-f.window-f.wide):]
	if f.extra != nil {
		in = slices.Concat(in, f.extra(f, request))
	}
	return Reading{Heads: [][]Attention{f.heads(in), f.heads(rows)}}
}

// heads are two uniform heads and a lookup of the token two before.
func (f *fake) heads(rows []row) []Attention {
	a := Attention{Shares: make([]float64, fakeIdentities)}
	n := 0.
	for _, r := range rows {
		if r.value != fakePadding || f.wide < 0 {
			n++
		}
	}
	for _, r := range rows {
		switch {
		case r.value != fakePadding:
			a.Shares[r.value] += 1 / n
		case f.wide < 0:
			a.Padding += 1 / n
		}
	}
	if f.shares != nil {
		f.shares(a.Shares, a.Padding)
	}
	lookup := Attention{Role: Lookup, Offset: 2, Shares: make([]float64, fakeIdentities)}
	if len(rows) > 2 {
		key := rows[len(rows)-1].value - 2
		for _, r := range rows {
			if r.key == (key+fakeIdentities)%fakeIdentities {
				lookup.Shares[r.value] = 1
			}
		}
	}
	return []Attention{a, a, lookup}
}

func (f *fake) Crop(_ context.Context, request string, n int) error {
	if f.crop != nil {
		f.crop(f, request, n)
		return nil
	}
	f.requests[request] = f.requests[request][:n:n]
	return nil
}

func (f *fake) Fork(_ context.Context, request, as string) error {
	f.requests[as] = slices.Clone(f.requests[request])
	f.order = append(f.order, as)
	return nil
}

func (f *fake) Drop(_ context.Context, request string) error {
	delete(f.requests, request)
	return nil
}

func (f *fake) Failed() (corpus.Fault, string) { return f.failed, "it is gone" }

// engineCase is a case of operations, with a window of 3.
func engineCase(t *testing.T, ops string) *corpus.Case {
	t.Helper()
	c, err := corpus.Parse("case", []byte("slidefuzz case v1\nshape window=3\ntarget engine/fake\nmodel arch=gemma3 kind=full layers=2 heads=3 kv=1 dim=64 dtype=F32 seed=1\n"+ops), 0)
	require.NoError(t, err)
	return c
}

func judged(t *testing.T, j *EngineJudge, f *fake, ops string) *corpus.Divergence {
	t.Helper()
	f.window, f.requests, f.order = 3, map[string][]row{}, nil
	d, err := j.Case(t.Context(), engineCase(t, ops), Checkpoint{fakeIdentities, fakePadding, []bool{true, false}}, f)
	require.NoError(t, err)
	return d
}

const everything = `pad b 4
prompt a 9 + prompt b 5
decode a + decode b
chunk a 4
crop a 7
decode a
fork a c
decode c + prompt d 2 + chunk a 3
drop b
decode a + decode c + decode d
`

func TestEngineSound(t *testing.T) {
	for _, all := range []bool{false, true} {
		j := NewEngine()
		j.All = all
		require.Nil(t, judged(t, j, &fake{}, everything))
		require.Equal(t, EngineCounts{Steps: 6}, j.EngineCounts)
		require.Equal(t, map[string]Count{"forward": {Accepted: 6}, "crop": {Accepted: 1}, "fork": {Accepted: 1}, "drop": {Accepted: 1}}, j.Done)
	}
}

// Every fault that is planted is told for what it is.
func TestEngineFaults(t *testing.T) {
	for _, x := range []struct {
		name, ops string
		f         fake
		all       bool
		fault     corpus.Fault
		tensor    string
		says      string
	}{
		{
			name: "W+1", ops: "prompt a 5\n", f: fake{wide: 1}, fault: corpus.FaultStale, tensor: "sliding",
			says: "op 1 (forward), sliding: stale: request a, step 1, layer 0 sees token 1, which has left the window; must see 2, 3, 4",
		},
		{
			name: "W+1 in the middle", ops: "prompt a 5\n", f: fake{wide: 1}, all: true, fault: corpus.FaultStale, tensor: "sliding",
			says: "request a, step 1, token 3, layer 0 sees token 0, which has left the window; must see 1, 2, 3",
		},
		{
			name: "twice the window", ops: "prompt a 9\n", f: fake{wide: 3}, fault: corpus.FaultStale, tensor: "sliding",
			says: "layer 0 sees tokens 3 to 5, which have left the window, as in a window of 6; must see 6, 7, 8",
		},
		{
			name: "leak", ops: "prompt a 5 + prompt b 5\ndecode a + decode b\n", fault: corpus.FaultForeign, tensor: "sliding",
			f: fake{extra: func(f *fake, request string) []row {
				if request == "b" {
					return f.requests["a"][3:4]
				}
				return nil
			}},
			says: "op 1 (forward), sliding: foreign: request b, step 1, layer 0 sees token 3 of request a; must see 2, 3, 4",
		},
		{
			name: "padding", ops: "pad a 4\nprompt a 2\n", f: fake{wide: -1}, fault: corpus.FaultPadding, tensor: "full",
			says: "request a, step 1, layer 1 sees padding; must see 0, 1",
		},
		{
			name: "stale after a crop", ops: "prompt a 5\ncrop a 3\ndecode a\n", fault: corpus.FaultStale, tensor: "sliding",
			f: fake{
				crop: func(f *fake, request string, n int) {
					rows := slices.Clone(f.requests[request])
					f.extra = func(*fake, string) []row { return rows[4:5] }
					f.requests[request] = rows[:n:n]
				},
			},
			says: "op 3 (forward), sliding: stale: request a, step 2, layer 0 sees token 4, which a crop cut off; must see 1, 2, 3",
		},
		{
			name: "a crop that does nothing", ops: "prompt a 5\ncrop a 2\ndecode a\n", fault: corpus.FaultStale, tensor: "sliding",
			f: fake{crop: func(*fake, string, int) {}}, says: "which a crop cut off; must see 0, 1, 2",
		},
		{
			name: "keys and values apart", ops: "prompt a 6\n", fault: corpus.FaultPaired, tensor: "sliding",
			f: fake{stored: func(_ string, p int) row {
				if p == 3 || p == 4 {
					return row{p, 7 - p, p} // the keys of the other
				}
				return row{}
			}},
			says: "request a, step 1, layer 0 looks for the values of token 3, 2 before, and finds 0.00 of it and 1.00 of token 4",
		},
		{
			name: "a row lost", ops: "prompt a 6\n", fault: corpus.FaultCounts, tensor: "sliding",
			f: fake{stored: func(_ string, p int) row {
				if p == 4 {
					return row{3, 4, 4}
				}
				return row{}
			}},
			says: "",
		},
		{
			name: "another's first row", ops: "prompt a 4 + prompt b 4\nchunk a 2\n", fault: corpus.FaultForeign, tensor: "sliding",
			f: fake{stored: func(r string, p int) row {
				if r == "a" && p == 5 {
					return row{29 + 2, 31, 5}
				}
				return row{}
			}},
			says: "op 2",
		},
		{name: "refuses", ops: "prompt a 4\n", f: fake{refuse: true}, fault: corpus.FaultRefused, tensor: "-", says: "op 1 (forward), -: refused"},
		{name: "gone", ops: "prompt a 4\n", f: fake{failed: corpus.FaultHang}, fault: corpus.FaultHang, tensor: "-", says: "it is gone"},
	} {
		t.Run(x.name, func(t *testing.T) {
			j := NewEngine()
			j.All = x.all
			d := judged(t, j, &x.f, x.ops)
			require.NotNil(t, d)
			if x.name == "a row lost" {
				// Token 4 is not seen, and 3 twice: the missing one says more.
				require.Equal(t, corpus.FaultMissing, d.Fault)
				require.Contains(t, d.String(), "does not see token 4; must see 3, 4, 5")
				return
			}
			require.Equal(t, x.fault, d.Fault, "%s", d)
			require.Equal(t, x.tensor, d.Tensor)
			require.Contains(t, d.String(), x.says)
		})
	}
}

// A request that a hunt's end cuts short was not refused.
func TestEngineInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	j, f := NewEngine(), &fake{window: 3, requests: map[string][]row{}, refuse: true}
	_, err := j.Case(ctx, engineCase(t, "prompt a 5\n"), Checkpoint{fakeIdentities, fakePadding, []bool{true, false}}, f)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, j.Done["forward"].Refused)
}

// Shares that are no parts of a whole number are no verdict.
func TestEngineUndecided(t *testing.T) {
	j := NewEngine()
	noisy := &fake{shares: func(counts []float64, _ float64) {
		for i := range counts {
			counts[i] *= 0.6
		}
	}}
	require.Nil(t, judged(t, j, noisy, "prompt a 9\ndecode a\n"))
	require.Equal(t, EngineCounts{Steps: 2, Undecided: 2}, j.EngineCounts)
	quiet := &fake{shares: func(counts []float64, _ float64) {
		for i := range counts {
			counts[i] *= 0.98
		}
	}}
	j = NewEngine()
	require.Nil(t, judged(t, j, quiet, "prompt a 9\ndecode a\n"))
	require.Equal(t, 2, j.Steps)
	require.Zero(t, j.Undecided)
	require.InDelta(t, 0.02, j.Worst, 1e-9)
}

// Requests are given identities that keep them apart, and new ones after a crop.
func TestEngineIdentities(t *testing.T) {
	s := newEngineState(58)
	a, b := s.begin("a", 0), s.begin("b", 0)
	require.Equal(t, []int{0, 1, 2, 3, 4}, s.give(a, 5))
	require.Equal(t, 33, s.give(b, 9)[8], "as far from 4 as can be")
	require.Equal(t, []int{5}, s.give(a, 1))
	s.crop(a, 3)
	next := s.give(a, 1)[0]
	require.NotContains(t, []int{3, 4, 5, 6}, next)
	s.fork(a, "c")
	c := s.open["c"]
	require.Equal(t, a.tokens, c.tokens)
	require.Equal(t, -1, c.next, "its own, as after a crop")
	require.NotEqual(t, s.give(c, 1), s.give(a, 1))
	s.drop("b")
	require.True(t, b.ended)
	at := a.tokens[len(a.tokens)-1] + 1
	s.crop(a, len(a.tokens))
	require.Equal(t, []int{at % 58}, s.give(a, 1), "a crop of nothing goes on")

	// What ended is not kept apart from, and a token beside another one is better than the
	// same one.
	s = newEngineState(10)
	s.give(s.begin("a", 0), 3)
	s.give(s.begin("b", 0), 1)
	require.Equal(t, []int{7}, s.open["b"].tokens, "5 from 2")
	s.drop("b")
	require.Equal(t, []int{7}, s.give(s.begin("c", 0), 1))
	s = newEngineState(3)
	s.give(s.begin("a", 0), 1)
	require.Equal(t, []int{1}, s.give(s.begin("b", 0), 1))
	require.Equal(t, []int{2}, s.give(s.begin("c", 0), 1), "1 from both")
}

// What follows a divergence is given to the engine without a verdict: the forwards, up
// to one that it does not do.
func TestEngineFinish(t *testing.T) {
	const ops = "prompt a 5\ndecode a\ncrop a 4\nprompt b 2\ndecode a + decode b\n"
	for after, want := range [][]int{{5, 1, 2, 2}, {1, 2, 2}, {2, 2}, {2, 2}, {2}, nil} {
		j, f := NewEngine(), &given{}
		j.c, j.point = engineCase(t, ops), Checkpoint{fakeIdentities, fakePadding, []bool{true, false}}
		j.state = newEngineState(fakeIdentities)
		for _, o := range j.c.Engine.Ops[:after] {
			j.batch(&o)
		}
		f.window, f.requests = 3, map[string][]row{}
		f.extra = func(*fake, string) []row { return []row{{50, 50, 0}} } // not judged
		require.NoError(t, j.Finish(t.Context(), after, f))
		require.Equal(t, want, f.tokens, "after %d", after)
		require.Zero(t, j.Steps)
	}
	j, f := NewEngine(), &given{}
	j.c, j.state = engineCase(t, ops), newEngineState(fakeIdentities)
	f.refuse = true
	require.ErrorIs(t, j.Finish(t.Context(), 0, f), impls.ErrRefused)
	require.Equal(t, []int{5}, f.tokens, "the first alone")
}

// given notes how many tokens each forward of a fake has.
type given struct {
	fake
	tokens []int
}

func (g *given) Forward(ctx context.Context, batch []Tokens, all bool) ([]Reading, error) {
	n := 0
	for _, t := range batch {
		n += len(t.Tokens)
	}
	g.tokens = append(g.tokens, n)
	return g.fake.Forward(ctx, batch, all)
}

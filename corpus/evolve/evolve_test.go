package evolve

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

func target(t *testing.T, name string) window.Target {
	t.Helper()
	x, err := window.ParseTarget(name)
	require.NoError(t, err)
	return x
}

// pool is a pool for a target of sim, from what was kept.
func pool(t *testing.T, name string, seed uint64, kept Kept) *Pool {
	x := target(t, name)
	return NewPool(Source{
		Target: x, Seed: seed, Kept: kept, Draw: corpus.Draws(x, seed), Sample: corpus.Draws(x, 0),
		Takes: func(c *corpus.Case) bool { return c.Check(corpus.DefaultLimit) == nil },
	})
}

// targets are a cache, a program that is drawn, and one that is built in.
var targets = []string{"roll/fused/sim", "program/fused/sim", "up-shift/fused/sim", "go/beams"}

// Every case has a meaning, also those that vary one, and prints as it is read.
func TestCasesAreValid(t *testing.T) {
	for _, name := range targets {
		p := pool(t, name, 7, Kept{})
		kept := 0
		for i := range 800 {
			c := p.Next()
			require.NoError(t, c.Check(corpus.DefaultLimit), "case %d of %s", i, name)
			again, err := corpus.Parse("case", c.Text(), 0)
			require.NoError(t, err, "%s\n%s", name, c.Text())
			require.Equal(t, string(c.Text()), string(again.Text()))
			require.LessOrEqual(t, len(c.Ops), maxOps)
			if p.Agreed(c) {
				kept++
			}
		}
		assert.NotZero(t, kept, name)
		assert.Less(t, kept, 800, "all of %s is new", name)
		require.LessOrEqual(t, len(p.Cases()), 2*AtMost)
		p.Prune()
		assert.LessOrEqual(t, len(p.Cases()), AtMost)
	}
}

// Most of what vary a case has a meaning, and differs from it.
func TestMutate(t *testing.T) {
	for _, name := range targets {
		draw, r := corpus.Draws(target(t, name), 3), rand.New(rand.NewPCG(1, 2))
		valid, other := 0, 0
		for range 500 {
			c, donor := draw(), draw()
			before, given := string(c.Text()), string(donor.Text())
			m := mutate(r, c, donor)
			require.Equal(t, before, string(c.Text()), "the case was changed")
			require.Equal(t, given, string(donor.Text()), "the donor was changed")
			if m.Check(corpus.DefaultLimit) != nil {
				continue
			}
			if valid++; string(m.Text()) != before {
				other++
			}
		}
		assert.Greater(t, valid, 200, name)
		assert.Greater(t, other, 100, name)
	}
}

// The same source gives the same cases, and what was kept comes first.
func TestPoolGoesOn(t *testing.T) {
	texts := func(p *Pool, n int) (all []string) {
		for range n {
			all = append(all, string(p.Next().Text()))
		}
		return all
	}
	first, same := pool(t, "roll/fused/sim", 7, Kept{}), pool(t, "roll/fused/sim", 7, Kept{})
	for range 400 { // whatever becomes of them
		c := first.Next()
		require.Equal(t, string(same.Next().Text()), string(c.Text()))
		first.Agreed(c)
	}
	first.Prune()
	kept := Kept{Cases: first.Cases()}
	require.Greater(t, len(kept.Cases), 50)
	failed := kept.Cases[3].Clone()
	failed.Expect = &corpus.Expect{Op: 1, Tensor: "keys", Fault: corpus.FaultRows}
	kept.Failures = []*corpus.Case{failed}

	p := pool(t, "roll/fused/sim", 8, kept)
	f := p.NextFailure()
	require.NotNil(t, f)
	assert.Nil(t, f.Expect)
	assert.Equal(t, string(kept.Cases[3].Text()), string(f.Text()))
	assert.Nil(t, p.NextFailure())
	var want []string
	for _, c := range p.Cases() {
		want = append(want, string(c.Text()))
	}
	assert.Len(t, want, len(kept.Cases))
	assert.Equal(t, want, texts(p, len(want)))
}

// A case that failed, or did not run, neither is kept nor stands for one that agreed.
func TestOnlyWhatAgreedIsKept(t *testing.T) {
	p := pool(t, "roll/fused/sim", 7, Kept{})
	p.Next()
	assert.Empty(t, p.Cases())
	c := p.Next()
	assert.True(t, p.Agreed(c))
	assert.False(t, p.Agreed(c), "it shows nothing new")
	require.Len(t, p.Cases(), 1)
	assert.Equal(t, string(c.Text()), string(p.Cases()[0].Text()))

	q := pool(t, "roll/fused/sim", 7, Kept{})
	first := q.Next() // which fails
	again := first.Clone()
	assert.True(t, q.Agreed(again), "the failed one hides it")
}

// A program is varied to as many statements as the longer ones that are drawn have, and no
// more.
func TestVariedProgramsAreBounded(t *testing.T) {
	draw := (&corpus.Drawer{Grammar: 2}).Cases(target(t, "program/worker"), 3)
	r, longest, drawn := rand.New(rand.NewPCG(1, 2)), 0, 0
	for range 2000 {
		c, donor := draw(), draw()
		drawn = max(drawn, len(c.Program.Stmts), len(donor.Program.Stmts))
		if len(c.Program.Stmts) > maxStmts {
			continue
		}
		for range 8 {
			mutateProgram(r, c, donor)
		}
		longest = max(longest, len(c.Program.Stmts))
	}
	assert.Greater(t, longest, maxStmts)
	assert.LessOrEqual(t, longest, drawn)
}

// What is rare comes first, and what others show is left out.
func TestOrder(t *testing.T) {
	r := &Rarity{of: 100, times: map[Trait]int{1: 100, 2: 90, 3: 1, 4: 50}}
	traits := [][]Trait{{1, 2}, {1}, {3}, {1, 2, 4}, {}}
	assert.Equal(t, []int{2, 3}, Order(traits, r, 10))
	assert.Equal(t, []int{2}, Order(traits, r, 1))
	assert.Empty(t, Order(nil, r, 10))
}

// A trait tells what a feature does not: in which state an operation comes, after what.
func TestTraits(t *testing.T) {
	of := func(text string) map[Trait]bool {
		c, err := corpus.ParseShort("case", text, 0)
		require.NoError(t, err)
		all := map[Trait]bool{}
		for _, x := range TraitsOf(c) {
			all[x] = true
		}
		return all
	}
	const a, b = "window=4 dim=1 dtype=U8; append 3; crop 2; append 1", "window=4 dim=1 dtype=U8; append 3; append 1; crop 2"
	assert.Equal(t, of(a), of(a))
	assert.NotEqual(t, of(a), of(b))
	// A longer case has all that its beginning has.
	for x := range of(a) {
		assert.True(t, of(a + "; append 9")[x])
	}
	assert.Greater(t, len(of(a+"; append 9")), len(of(a)))
}

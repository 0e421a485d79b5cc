package corpus

import (
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// draws is so many cases of a cache that can do everything.
func draws(d *Drawer, n int) []*Case {
	next, all := d.Cases(window.CacheTarget(), 1), make([]*Case, n)
	for i := range all {
		all[i] = next()
	}
	return all
}

func share(all []*Case, of func(c *Case) bool) float64 {
	n := 0
	for _, c := range all {
		if of(c) {
			n++
		}
	}
	return float64(n) / float64(len(all))
}

// cells is the cells of all tokens, in the largest batch.
func cells(c *Case) int { return c.Tokens() * c.MaxBatch() * c.Shape.Heads * c.Shape.Dim }

func isSmall(c *Case) bool {
	s := c.Shape
	return s.Dim <= 4 && s.Batch <= 2 && s.Heads <= 3 && s.Window <= 64
}

func TestDrawnSizes(t *testing.T) {
	all := draws(&Drawer{}, 8000)
	require.Greater(t, share(all, isSmall), 0.75)
	require.Less(t, share(all, isSmall), 0.95)
	require.Equal(t, 1., share(draws(&Drawer{Sizes: SmallOnly}, 2000), isSmall))

	large := draws(&Drawer{Sizes: LargeOnly}, 20_000)
	require.Less(t, share(large, isSmall), 0.25)
	for _, x := range []struct {
		name string
		most int
		of   func(s impls.Shape) int
	}{
		{"dim", 256, func(s impls.Shape) int { return s.Dim }},
		{"batch", 8, func(s impls.Shape) int { return s.Batch }},
		{"heads", 16, func(s impls.Shape) int { return s.Heads }},
		{"window", 300, func(s impls.Shape) int { return s.Window }},
	} {
		beside := 0 // of a power of two, among those of eight and more
		got, least, eights := 0, x.most, 0
		for _, c := range large {
			n := x.of(c.Shape)
			got, least = max(got, n), min(least, n)
			if n >= 8 {
				eights++
				for _, m := range [...]int{n - 1, n, n + 1} {
					if bits.OnesCount(uint(m)) == 1 {
						beside++
						break
					}
				}
			}
		}
		require.Equal(t, x.most, got, x.name)
		require.Equal(t, 1, least, x.name)
		require.Greater(t, beside, eights/3, "%s: powers of two and their neighbours", x.name)
	}
	require.Greater(t, share(large, func(c *Case) bool { return c.Shape.RowBytes() >= 16 }), 0.4)

	for _, c := range append(all, large...) {
		require.LessOrEqual(t, cells(c), 1<<22, "%s", c.Text())
		require.NoError(t, c.Check(DefaultLimit))
		require.NotEmpty(t, c.Ops)
	}
	larger := share(large, func(c *Case) bool { return cells(c) > 1<<18 })
	require.Positive(t, larger)
	require.Less(t, larger, 1./50*1.3)
}

// A run of TestCache, of 300 cases, does all that there is to do, and shows every
// feature.
func TestFewCasesHaveEveryChoice(t *testing.T) {
	for seed := range uint64(20) {
		d := &Drawer{}
		next := d.Cases(window.CacheTarget(), seed)
		d.learn()
		for _, c := range d.choices {
			require.Positive(t, c.Weight, c.Name)
		}
		drawn := make([]int, len(d.choices))
		features := map[Feature]bool{}
		for range 300 {
			for _, f := range FeaturesOf(next()) {
				features[f] = true
			}
			for i, w := range d.weights {
				if w > 0 {
					drawn[i]++
				}
			}
		}
		for i, c := range d.choices {
			require.Greater(t, drawn[i], 150, "seed %d: %s", seed, c.Name)
		}
		for _, f := range Features() {
			require.True(t, features[f], "seed %d: %s", seed, f)
		}
	}
}

// Where no snapshot is taken none is restored.
func TestNoRestoreWithoutSnapshot(t *testing.T) {
	d := &Drawer{}
	next := d.Cases(window.CacheTarget(), 1)
	without := 0
	for range 2000 {
		next()
		for i, j := range d.after {
			if j < 0 {
				continue
			}
			require.Equal(t, "restore", d.choices[i].Name)
			require.Equal(t, "snapshot", d.choices[j].Name)
			if d.weights[j] == 0 {
				without++
				require.Zero(t, d.weights[i])
			}
		}
	}
	require.Greater(t, without, 100)
}

// Weights of a case's own make common what the weights of all have seldom.
func TestRareMixes(t *testing.T) {
	count := func(c *Case, kinds ...OpKind) (n int) {
		for i := range c.Ops {
			for _, k := range kinds {
				if c.Ops[i].Kind == k {
					n++
				}
			}
		}
		return n
	}
	const n = 20_000
	even, own := draws(&Drawer{Even: true, Sizes: SmallOnly}, n), draws(&Drawer{Sizes: SmallOnly}, n)
	for _, x := range []struct {
		name string
		is   func(c *Case) bool
	}{
		{"16 appends and nothing else", func(c *Case) bool { return len(c.Ops) >= 16 && count(c, Append) == len(c.Ops) }},
		{"6 selects", func(c *Case) bool { return count(c, Select) >= 6 }},
		{"3 snapshots and 3 restores", func(c *Case) bool { return count(c, Snapshot) >= 3 && count(c, Restore) >= 3 }},
		{"5 resets", func(c *Case) bool { return count(c, Reset) >= 5 }},
		{"8 crops and no select", func(c *Case) bool { return count(c, Crop) >= 8 && count(c, Select) == 0 }},
	} {
		e, o := share(even, x.is), share(own, x.is)
		t.Logf("| %s | %.0f | %.0f |", x.name, 1/e, 1/o)
		require.Greater(t, o, 1.3*e, x.name)
	}
}

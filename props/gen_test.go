package props

import (
	"math/rand"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// Programs draws what only the wider grammar has.
func TestProgramsAreOfTheWiderGrammar(t *testing.T) {
	gen := Programs()
	params := &gopter.GenParameters{Rng: rand.New(rand.NewSource(1))}
	seen := map[string]int{}
	for range 200 {
		c, ok := gen(params).Retrieve()
		require.True(t, ok)
		p := c.(*corpus.Case).Program
		require.NoError(t, p.Check())
		if p.Adds() {
			seen["sums"]++
		}
		if len(p.Returns()) > 0 {
			seen["returns"]++
		}
		for _, s := range p.Stmts {
			if s.Mask != nil {
				seen["masks"]++
			}
			if s.Step != 0 {
				seen["steps"]++
			}
		}
	}
	t.Log(seen)
	for _, what := range []string{"sums", "returns", "masks", "steps"} {
		require.Positive(t, seen[what], what)
	}
}

package props

import (
	"errors"
	"math/rand"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// Programs draws what only the wider grammar has.
func TestProgramsAreOfTheWiderGrammar(t *testing.T) {
	programs := Programs()
	params := &gopter.GenParameters{Rng: rand.New(rand.NewSource(1))}
	seen := map[string]int{}
	for range 200 {
		c, ok := programs(params).Retrieve()
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

// Another generator's values are no cases, and it is said which are.
func TestForAllWantsCases(t *testing.T) {
	r := ForAll(func(*corpus.Case) (bool, error) { return true, nil }, gen.Int()).Check(parameters(5, 40))
	require.Equal(t, gopter.TestError, r.Status)
	require.ErrorContains(t, r.Error, "draws int, not *corpus.Case: take props.Cases")
}

// ForAll runs the cases that gopter's own does, with the same verdict, and has the text of
// the case that fails.
func TestForAll(t *testing.T) {
	run := func(make func(func(*corpus.Case) (bool, error)) gopter.Prop, condition func(*corpus.Case) (bool, error)) (texts []string, r *gopter.TestResult) {
		r = make(func(c *corpus.Case) (bool, error) {
			texts = append(texts, string(c.Text()))
			return condition(c)
		}).Check(parameters(5, 40))
		return texts, r
	}
	ours := func(f func(*corpus.Case) (bool, error)) gopter.Prop { return ForAll(f, Cases()) }
	gopters := func(f func(*corpus.Case) (bool, error)) gopter.Prop { return prop.ForAll(f, Cases()) }
	n := 0
	for name, condition := range map[string]func(*corpus.Case) (bool, error){
		"holds": func(*corpus.Case) (bool, error) { return true, nil },
		"fails": func(*corpus.Case) (bool, error) { n++; return n%20 != 0, nil },
		"errs": func(*corpus.Case) (bool, error) {
			if n++; n%20 == 0 {
				return false, errors.New("no")
			}
			return true, nil
		},
		"panics": func(*corpus.Case) (bool, error) { panic("it falls") },
	} {
		n = 0
		want, theirs := run(gopters, condition)
		n = 0
		got, result := run(ours, condition)
		require.Equal(t, want, got, name)
		require.Equal(t, theirs.Status, result.Status, name)
		require.Equal(t, theirs.Succeeded, result.Succeeded, name)
		require.Equal(t, theirs.Error, result.Error, name)
		require.Len(t, result.Args, len(theirs.Args), name)
		if len(result.Args) > 0 {
			require.Equal(t, got[len(got)-1], string(result.Args[0].Arg.(*corpus.Case).Text()), name)
			require.Equal(t, got[len(got)-1], result.Args[0].ArgFormatted, name)
		}
	}
}

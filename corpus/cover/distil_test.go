package cover

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// fixed runs inputs that show the same each time.
func fixed(all []Seen) func(context.Context, []int) ([]Seen, error) {
	return func(_ context.Context, inputs []int) ([]Seen, error) {
		var seen []Seen
		for _, i := range inputs {
			seen = append(seen, all[i])
		}
		return seen, nil
	}
}

// An input that shows a failure is kept, whatever it covers; of those that show the
// same the smaller.
func TestFailuresAreKept(t *testing.T) {
	all := []Seen{
		{Blocks: []int32{0, 1, 2}},
		{Blocks: []int32{1}, Failures: []string{"fails at a.go:1"}},
		{Failures: []string{"panic at b.go:2"}}, // its process died: nothing is known of what it covered
		{Blocks: []int32{1}, Failures: []string{"fails at a.go:1"}},
		{Blocks: []int32{0, 2}},
	}
	r, err := Distil(t.Context(), []int64{5, 5, 5, 4, 3}, fixed(all))
	require.NoError(t, err)
	require.Equal(t, &Result{
		Kept: []int{2, 3, 4}, Bound: 3, Blocks: []int32{0, 1, 2},
		Failures: []string{"fails at a.go:1", "panic at b.go:2"},
	}, r)
}

// What an input covers in one run and not in another is left out and told, and a
// failure that comes and goes is kept without a promise.
func TestWhatComesAndGoes(t *testing.T) {
	runs := 0
	run := func(_ context.Context, inputs []int) ([]Seen, error) {
		runs++
		var seen []Seen
		for _, i := range inputs {
			s := Seen{Blocks: []int32{int32(i)}}
			if i == 0 && runs == 2 {
				s.Blocks = append(s.Blocks, 7)
			}
			if i == 1 && runs == 1 {
				s.Failures = []string{"flaky"}
			}
			if i == inputs[0] {
				s.Blocks = append(s.Blocks, 9) // set-up
			}
			seen = append(seen, s)
		}
		return seen, nil
	}
	r, err := Distil(t.Context(), make([]int64, 3), run)
	require.NoError(t, err)
	require.Equal(t, 3, runs)
	require.Equal(t, &Result{
		Kept: []int{0, 1, 2}, Bound: 3, Blocks: []int32{0, 1, 2}, CameAndWent: []int32{7, 9}, Again: 1, Flaky: []string{"flaky"},
	}, r)
}

// What the chosen inputs alone do not show again is an error.
func TestWhatIsLost(t *testing.T) {
	run := func(_ context.Context, inputs []int) ([]Seen, error) {
		seen := make([]Seen, len(inputs))
		for k, i := range inputs {
			seen[k].Blocks = []int32{1}
			if i == 0 && len(inputs) > 1 { // with others before or after it
				seen[k] = Seen{Blocks: []int32{1, 2}, Failures: []string{"crowded"}}
			}
		}
		return seen, nil
	}
	_, err := Distil(t.Context(), make([]int64, 4), run)
	var lost *LostError
	require.ErrorAs(t, err, &lost)
	require.Equal(t, &LostError{Blocks: []int32{2}, Failures: []string{"crowded"}}, lost)
	require.ErrorContains(t, err, "crowded")

	broken := errors.New("no disk")
	_, err = Distil(t.Context(), make([]int64, 4), func(context.Context, []int) ([]Seen, error) { return nil, broken })
	require.ErrorIs(t, err, broken)
}

// An input that is kept for a failure which came and went is not counted in the lower
// bound: what all runs show, one input shows.
func TestBoundWithoutWhatComesAndGoes(t *testing.T) {
	runs := 0
	run := func(_ context.Context, inputs []int) ([]Seen, error) {
		runs++
		seen := make([]Seen, len(inputs))
		for k, i := range inputs {
			seen[k].Blocks = []int32{0}
			if i == 1 && runs == 1 {
				seen[k].Failures = []string{"flaky"}
			}
		}
		return seen, nil
	}
	r, err := Distil(t.Context(), []int64{1, 1}, run)
	require.NoError(t, err)
	require.Equal(t, []int{1}, r.Kept)
	require.Equal(t, 1, r.Bound)
	require.Equal(t, []string{"flaky"}, r.Flaky)

	// Two such: both are kept, and one would do.
	runs = 0
	r, err = Distil(t.Context(), []int64{1, 1}, func(ctx context.Context, inputs []int) ([]Seen, error) {
		seen, err := run(ctx, inputs)
		for k, i := range inputs {
			if i == 0 && runs == 1 {
				seen[k].Failures = []string{"another"}
			}
		}
		return seen, err
	})
	require.NoError(t, err)
	require.Equal(t, []int{0, 1}, r.Kept)
	require.Equal(t, 1, r.Bound)
}

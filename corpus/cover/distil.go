package cover

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Seen is what one run of an input showed.
type Seen struct {
	Blocks   []int32 // the blocks of code that it covered, each once
	Failures []string
}

// Result is a corpus made small.
type Result struct {
	Kept []int // indices of inputs, ascending
	// Bound is a number of inputs that every set has at least that covers the
	// same blocks and shows the same failures.
	Bound int
	// Blocks are those that the inputs cover, all and the kept ones alike;
	// Failures those that they show. Ascending.
	Blocks   []int32
	Failures []string
	// CameAndWent are the blocks that some input covered in one run and not in
	// another. Nobody can promise those: they are not among Blocks. Ascending.
	// Set-up that runs once in a process is of this kind: the first input covers it.
	CameAndWent []int32
	Again       int // how many of them the kept inputs covered when they ran alone
	// Flaky are the failures that were seen in one of the first two runs alone.
	// An input that showed each is kept, but need not show it again.
	Flaky []string
}

// LostError is what the kept inputs alone did not show again.
type LostError struct {
	Blocks   []int32
	Failures []string
}

func (e *LostError) Error() string {
	return fmt.Sprintf("run alone, the chosen inputs miss %d blocks of code and %d failures that all inputs covered twice%s: what an input does must depend on what ran before it; mend that, or reset it in the target",
		len(e.Blocks), len(e.Failures), list(e.Failures))
}

func list(failures []string) string {
	if len(failures) == 0 {
		return ""
	}
	return " (" + strings.Join(failures, "; ") + ")"
}

// Distil chooses the fewest inputs that cover the same blocks of code and show the
// same failures as all. sizes are the bytes of each. run runs the inputs with the
// given indices in that order, and returns what each showed; it is called three
// times: twice for all, the second time in reverse order, to tell what comes and
// goes or depends on what ran before, and once for the chosen ones alone, to prove
// that they do the same. The error is run's or a [LostError].
func Distil(ctx context.Context, sizes []int64, run func(ctx context.Context, inputs []int) ([]Seen, error)) (*Result, error) {
	order := make([]int, len(sizes))
	for i := range order {
		order[i] = i
	}
	first, err := run(ctx, order)
	if err != nil {
		return nil, err
	}
	slices.Reverse(order)
	second, err := run(ctx, order)
	if err != nil {
		return nil, err
	}
	slices.Reverse(second)

	all, went := map[int32]bool{}, map[int32]bool{}
	shown, flaky := map[string]bool{}, map[string]bool{}
	for i := range first {
		for b := range differ(first[i].Blocks, second[i].Blocks) {
			went[b] = true
		}
		for _, b := range first[i].Blocks {
			all[b] = true
		}
		once := differ(first[i].Failures, second[i].Failures)
		for _, f := range first[i].Failures {
			if !once[f] {
				shown[f] = true
			}
		}
		maps.Copy(flaky, once)
	}
	for f := range shown {
		delete(flaky, f) // some input shows it each time
	}

	number := map[string]int32{} // a failure is an element like a block
	sets := make([][]int32, len(sizes))
	for i := range sets {
		for _, b := range first[i].Blocks {
			if !went[b] {
				sets[i] = append(sets[i], b)
			}
		}
		once := differ(first[i].Failures, second[i].Failures)
		either := slices.Concat(first[i].Failures, second[i].Failures)
		slices.Sort(either)
		for _, f := range slices.Compact(either) {
			if once[f] && !flaky[f] {
				continue // an input that shows it each time is kept
			}
			if _, ok := number[f]; !ok {
				number[f] = -1 - int32(len(number)) // no block has it
			}
			sets[i] = append(sets[i], number[f])
		}
	}
	choice := Choose(sets, sizes)
	r := &Result{Kept: choice.Inputs, Bound: choice.Bound}
	if len(flaky) > 0 {
		// Inputs kept for a failure that came and went are not forced by what all runs
		// show, of which the bound is.
		stable := make([][]int32, len(sets))
		for i, set := range sets {
			for _, e := range set {
				if !slices.ContainsFunc(slices.Collect(maps.Keys(flaky)), func(f string) bool { return number[f] == e && e < 0 }) {
					stable[i] = append(stable[i], e)
				}
			}
		}
		r.Bound = Choose(stable, sizes).Bound
	}
	last, err := run(ctx, r.Kept)
	if err != nil {
		return nil, err
	}
	again, failed := map[int32]bool{}, map[string]bool{}
	for _, s := range last {
		for _, b := range s.Blocks {
			again[b] = true
			if !all[b] {
				went[b] = true // not seen before: a third run differs too
			}
		}
		for _, f := range s.Failures {
			failed[f] = true
			if !shown[f] {
				flaky[f] = true
			}
		}
	}
	lost := &LostError{}
	for _, b := range slices.Sorted(maps.Keys(all)) {
		switch {
		case went[b]:
		case again[b]:
			r.Blocks = append(r.Blocks, b)
		default:
			lost.Blocks = append(lost.Blocks, b)
		}
	}
	for _, f := range slices.Sorted(maps.Keys(shown)) {
		if failed[f] {
			r.Failures = append(r.Failures, f)
		} else {
			lost.Failures = append(lost.Failures, f)
		}
	}
	if len(lost.Blocks)+len(lost.Failures) > 0 {
		return nil, lost
	}
	r.CameAndWent = slices.Sorted(maps.Keys(went))
	for b := range went {
		if again[b] {
			r.Again++
		}
	}
	r.Flaky = slices.Sorted(maps.Keys(flaky))
	return r, nil
}

// differ is what one of two lists has and the other has not.
func differ[T comparable](a, b []T) map[T]bool {
	in := make(map[T]bool, len(a))
	for _, x := range a {
		in[x] = true
	}
	only := map[T]bool{}
	for _, x := range b {
		if in[x] {
			delete(in, x)
		} else {
			only[x] = true
		}
	}
	maps.Copy(only, in)
	return only
}

package hunt

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/keep"
	"github.com/slidefuzz/slidefuzz/corpus/shrink"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// programCase is a case of a worker with statements on x of three rows and y of two.
func programCase(stmts ...inplace.Stmt) *corpus.Case {
	return &corpus.Case{
		Shape: impls.Shape{Batch: 1, Heads: 1, Window: 1, Dim: 1}, Target: window.Target{Update: "program", Device: window.Worker}, Block: 1,
		Program: inplace.Program{Buffers: []inplace.Buffer{{Name: "x", Rows: 3}, {Name: "y", Rows: 2}}, Stmts: stmts},
	}
}

var (
	x, y       = inplace.View("x", 0, 3), inplace.View("y", 0, 2)
	indexWrite = inplace.AssignIndex("y", []int{1, 0}, y)
	indexCopy  = inplace.Assign("x", 0, 3, inplace.IndexCopy(x, []int{0}, inplace.View("x", 1, 2)))
	ofCat      = inplace.Assign("x", 0, 3, inplace.IndexCopy(inplace.Cat(y, inplace.View("x", 0, 1)), []int{0}, inplace.View("x", 1, 2)))
)

// A finding explains a program that does all that it does, whatever lies between a write
// and its operation, and no program that lacks some of it.
func TestOperatorsExplain(t *testing.T) {
	rolled := inplace.AssignIndex("y", []int{1, 0}, inplace.Roll(y, 1))
	cloned := inplace.Assign("x", 0, 3, inplace.Clone(inplace.IndexCopy(x, []int{0}, inplace.View("x", 1, 2))))
	for _, tc := range []struct {
		name         string
		small, other *corpus.Case
		explains     bool
	}{
		{"itself", programCase(indexWrite), programCase(indexWrite), true},
		{"with more beside it", programCase(indexWrite), programCase(ofCat, indexWrite), true},
		{"with a roll before the write", programCase(indexWrite), programCase(rolled), true},
		{"with a clone before the write", programCase(indexCopy), programCase(cloned), true},
		{"another way to write", programCase(indexWrite), programCase(indexCopy), false},
		{"an index_copy of something else", programCase(indexCopy), programCase(ofCat), false},
		{"the same, the other way round", programCase(ofCat), programCase(indexCopy), false},
		{"a step that the other has not", programCase(inplace.Assign("y", 0, 2, inplace.Expr{Name: "x", Hi: 3, Step: 2})), programCase(inplace.Assign("y", 0, 2, y)), false},
		{"less than the finding", programCase(indexWrite, ofCat), programCase(indexWrite), false},
	} {
		got := operatorsOf(tc.small, true, false).within(operatorsOf(tc.other, true, true))
		require.Equal(t, tc.explains, got, tc.name)
	}
	// What is ours has one finding a failure, and so has a cache.
	require.Zero(t, operatorsOf(programCase(indexWrite), false, true))
	require.Zero(t, operatorsOf(&corpus.Case{Target: window.WorkerTarget("test")}, true, true))
}

// booksOf keeps the books of cases that fail alike, each of which is shrunk to another:
// the number of each is its place, from 1.
func booksOf(t *testing.T, h *hunter, fault corpus.Fault, pairs [][2]*corpus.Case) {
	t.Helper()
	h.o.Cases, h.most, h.result.Foreign = len(pairs), maxForeignFindings, true
	h.seen, h.hangs, h.unshrunk = map[corpus.Failure][]int{}, map[string]int{}, map[corpus.Failure]bool{}
	for i, p := range pairs {
		d := &corpus.Divergence{Op: 1, OpKind: "statement", Tensor: "x", Fault: fault}
		h.shrink = func(_ context.Context, c *corpus.Case, n *Note, d *corpus.Divergence) (*Finding, error) {
			return &Finding{Found: c, Small: p[1], Divergence: d, Stats: shrink.Stats{Bounded: true}, At: n.Number, Seen: 1}, nil
		}
		failure := d.Failure(p[0].Target)
		require.NoError(t, h.failed(t.Context(), p[0], &Note{Number: i + 1, Failure: &failure}, d))
	}
}

// What ended the worker once, and is wrong in each run since, explains nothing else that
// ends it.
func TestLostFindingExplainsNoCrash(t *testing.T) {
	h := &hunter{result: &Result{}}
	c := programCase(indexWrite)
	booksOf(t, h, corpus.FaultCrash, nil)
	h.o.Cases, h.shrink = 2, func(_ context.Context, c *corpus.Case, n *Note, _ *corpus.Divergence) (*Finding, error) {
		rows := &corpus.Divergence{Op: 1, OpKind: "statement", Tensor: "x", Fault: corpus.FaultRows, Runs: &corpus.Runs{Of: 20, Wrong: 20, Lost: 1}}
		return &Finding{Found: c, Small: c, Divergence: rows, At: n.Number, Seen: 1}, nil
	}
	d := &corpus.Divergence{Op: 1, OpKind: corpus.WholeCase, Tensor: "-", Fault: corpus.FaultCrash}
	failure := d.Failure(c.Target)
	for n := 1; n <= 2; n++ {
		require.NoError(t, h.failed(t.Context(), c, &Note{Number: n, Failure: &failure}, d))
		require.Len(t, h.result.Findings, 1)
		require.Equal(t, n, h.result.Findings[0].Divergence.Runs.Lost)
		require.Negative(t, h.alike(failure, c))
	}
	require.Zero(t, h.alike(h.result.Findings[0].Divergence.Failure(c.Target), c))
}

// A failure has a finding for each thing that programs do, a smaller one takes the place
// of one that it explains and that was cut short, and what is refused is one.
func TestFindingsOfOneFailure(t *testing.T) {
	write, copied, cat := programCase(indexWrite), programCase(indexCopy), programCase(ofCat)
	both := programCase(indexWrite, ofCat)
	pairs := [][2]*corpus.Case{
		{both, both},     // its shrinking was cut short
		{write, write},   // a part of that: it takes its place
		{both, nil},      // explained
		{copied, copied}, // another
		{cat, write},     // shrunk to one that is known
		{cat, cat},       // another
		{copied, nil},    // explained
	}
	h := &hunter{result: &Result{}}
	booksOf(t, h, corpus.FaultRows, pairs)
	require.Len(t, h.result.Findings, 3)
	require.Equal(t, []*corpus.Case{write, copied, cat}, []*corpus.Case{h.result.Findings[0].Small, h.result.Findings[1].Small, h.result.Findings[2].Small})
	require.Equal(t, []int{4, 2, 1}, []int{h.result.Findings[0].Seen, h.result.Findings[1].Seen, h.result.Findings[2].Seen})
	require.Equal(t, []int{1, 4, 6}, []int{h.result.Findings[0].At, h.result.Findings[1].At, h.result.Findings[2].At})

	h = &hunter{result: &Result{}}
	booksOf(t, h, corpus.FaultRefused, pairs)
	require.Len(t, h.result.Findings, 1)
	require.Equal(t, len(pairs), h.result.Findings[0].Seen)
}

// A corpus has each finding of one failure, and of what is refused the one that there is.
func TestCorpusKeepsFindingsOfOneFailure(t *testing.T) {
	cases := []*corpus.Case{programCase(indexWrite), programCase(indexCopy), programCase(ofCat)}
	var pairs [][2]*corpus.Case
	for _, c := range cases {
		c.Expect = &corpus.Expect{Op: 1, Tensor: "x", Fault: corpus.FaultRows}
		pairs = append(pairs, [2]*corpus.Case{c, c})
	}
	for fault, want := range map[corpus.Fault]int{corpus.FaultRows: 3, corpus.FaultRefused: 1} {
		folder, err := keep.Open(t.TempDir(), 0, func(err error) { t.Error(err) })
		require.NoError(t, err)
		target, err := folder.Of(cases[0].Target)
		require.NoError(t, err)
		h := &hunter{result: &Result{}, kept: &kept{Corpus: target, foreign: true}}
		booksOf(t, h, fault, pairs)
		require.Len(t, h.result.Findings, want)
		k, err := target.Kept()
		require.NoError(t, err)
		require.Len(t, k.Failures, want)
	}
	// The same kind, smaller: the shrinker left other rows.
	small := programCase(inplace.AssignIndex("y", []int{0}, inplace.View("y", 1, 2)))
	failure := corpus.Failure{Fault: corpus.FaultRows}
	require.Equal(t, findingKind(failure, cases[0], true), findingKind(failure, small, true))
	require.Equal(t, findingKind(failure, cases[0], false), findingKind(failure, cases[1], false), "ours has one finding a failure")
}

// What nothing explains is shrunk a few times, more often in a longer hunt, and not once
// the time is up; what is not shrunk is counted all the same.
func TestShrunkAgainAFewTimes(t *testing.T) {
	write := programCase(indexWrite)
	pairs := [][2]*corpus.Case{{write, write}}
	for len(pairs) < 100 {
		pairs = append(pairs, [2]*corpus.Case{programCase(indexCopy), write})
	}
	h := &hunter{result: &Result{}}
	booksOf(t, h, corpus.FaultRows, pairs)
	require.Equal(t, fewShrinks+100/shrinkEvery, h.shrinks)
	require.Equal(t, 100, h.result.Findings[0].Seen)

	h = &hunter{result: &Result{}, until: time.Now().Add(-time.Second)}
	booksOf(t, h, corpus.FaultRows, pairs)
	require.Zero(t, h.shrinks)
	require.Equal(t, 100, h.result.Findings[0].Seen)

	shrunk := &Note{Number: 1, Finding: &Finding{}}
	require.False(t, h.another(shrunk))
	h.each = true
	require.True(t, h.another(shrunk), "by a part")
	require.False(t, h.another(&Note{Number: 1}))
}

// What a finding does is left out: the statements of the operation that fewest have, and
// what reads a name that is gone.
func TestProgramWithout(t *testing.T) {
	named := inplace.Define("t", inplace.Roll(y, 1))
	reads := inplace.Assign("y", 0, 2, inplace.View("t", 0, 2))
	for _, tc := range []struct {
		name      string
		stmts     []inplace.Stmt
		small     inplace.Stmt
		wantStmts []inplace.Stmt
	}{
		{"each of its statements", []inplace.Stmt{indexWrite, ofCat, indexWrite}, indexWrite, []inplace.Stmt{ofCat}},
		{"all there is", []inplace.Stmt{indexWrite}, indexWrite, nil},
		{"a name", []inplace.Stmt{named, reads, indexCopy}, named, []inplace.Stmt{indexCopy}},
	} {
		got := without(programCase(tc.stmts...).Program, operatorsOf(programCase(tc.small), true, false))
		require.Empty(t, cmp.Diff(tc.wantStmts, got, cmpopts.EquateEmpty()), tc.name)
	}
}

// A statement is run alone with the definitions of the names that it reads, and those that
// these read: of two of one name the last.
func TestWithDefinitions(t *testing.T) {
	first, second := inplace.Define("t", inplace.Roll(y, 1)), inplace.Define("t", inplace.View("x", 0, 2))
	u := inplace.Define("u", inplace.Clone(inplace.View("t", 0, 2)))
	reads := inplace.Assign("y", 0, 2, inplace.View("u", 0, 2))
	require.Equal(t, []inplace.Stmt{second, u, reads}, withDefinitions([]inplace.Stmt{first, indexCopy, second, u, indexWrite}, reads))
	require.Equal(t, []inplace.Stmt{indexWrite}, withDefinitions([]inplace.Stmt{first, u}, indexWrite))
}

// A case that was shrunk to its end shows no finding of fewer statements, and takes the
// place of none of more; one whose shrinking was cut short may do both.
func TestSame(t *testing.T) {
	one, two := programCase(indexWrite), programCase(indexWrite, ofCat)
	d := &corpus.Divergence{Op: 1, OpKind: "statement", Tensor: "x", Fault: corpus.FaultRows}
	failure := d.Failure(one.Target)
	hunter := func(first *corpus.Case, bounded bool) *hunter {
		return &hunter{
			result: &Result{Foreign: true, Findings: []Finding{{Small: first, Divergence: d, Stats: shrink.Stats{Bounded: bounded}}}},
			seen:   map[corpus.Failure][]int{failure: {0}},
		}
	}
	finding := func(c *corpus.Case, bounded bool) *Finding {
		return &Finding{Small: c, Divergence: d, Stats: shrink.Stats{Bounded: bounded}}
	}
	require.Equal(t, -1, hunter(one, false).same(finding(two, false)))
	require.Equal(t, 0, hunter(one, false).same(finding(two, true)))
	require.Equal(t, 0, hunter(two, false).same(finding(two, false)))
	require.Equal(t, -1, hunter(two, false).same(finding(one, false)))

	at, isNew := hunter(two, false).found(finding(one, false), failure)
	require.True(t, isNew)
	require.Equal(t, 1, at, "beside it")
	at, isNew = hunter(two, true).found(finding(one, false), failure)
	require.True(t, isNew)
	require.Equal(t, 0, at, "in its place")

	// A signal ends the shrinking of what it finds before that has begun.
	short := programCase(inplace.AssignIndex("y", []int{1, 0}, inplace.Clone(y)))
	h := hunter(short, false)
	at, isNew = h.found(finding(one, true), failure)
	require.Equal(t, []any{0, false}, []any{at, isNew})
	require.Same(t, short, h.result.Findings[0].Small, "what was shrunk stays")
	require.Equal(t, 1, h.result.Findings[0].Seen)
	at, _ = hunter(short, true).found(finding(one, true), failure)
	require.Equal(t, 0, at, "in its place")

	once := finding(one, true)
	gone := *d
	gone.Runs = &corpus.Runs{Of: 10}
	once.Divergence = &gone
	at, _ = hunter(two, true).found(once, failure)
	require.Equal(t, 1, at, "what is not seen again takes no other's place")
}

// A fault that nearly every program shows does not hide another that is the same failure.
func TestTwoFaultsOfOneFailure(t *testing.T) {
	target := window.Target{Update: "program", Device: window.Worker}
	r, err := huntIn(t.Context(), testWorker(t, "two faults"), target, nil, Options{Seed: 1, Cases: 100, ShrinkTime: 20 * time.Second})
	require.NoError(t, err)
	byIndex, byRows := 0, 0
	for _, f := range r.Findings {
		if f.Small.Program.Stmts[0].Index != nil {
			byIndex++
		} else {
			byRows++
		}
	}
	require.Positive(t, byRows)
	require.Positive(t, byIndex)
}

// Nor does a fault of one statement hide one of several statements that do the same and
// more: they are right without what is wrong alone.
func TestFaultOfTwoStatements(t *testing.T) {
	target := window.Target{Update: "program", Device: window.Worker}
	r, err := huntIn(t.Context(), testWorker(t, "a fault of two statements"), target, nil, Options{Seed: 1, Cases: 60, ShrinkTime: 20 * time.Second})
	require.NoError(t, err)
	sizes := map[int]int{}
	for _, f := range r.Findings {
		stmts := f.Small.Program.Stmts
		if sizes[len(stmts)]++; len(stmts) == 2 {
			require.NotNil(t, stmts[0].Index, "%s", f.Small.Text())
		}
	}
	require.Positive(t, sizes[1])
	require.Positive(t, sizes[2])
}

// A hunt that is ended while a program is taken apart keeps what it has found.
func TestEndedInParts(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	target := window.Target{Update: "program", Device: window.Worker}
	r, err := huntIn(ctx, testWorker(t, "two faults"), target, nil, Options{Seed: 1, Cases: 100, ShrinkTime: 20 * time.Second, Progress: func(n int) {
		if n == 8 {
			stop()
		}
	}})
	require.NoError(t, err)
	require.True(t, r.Interrupted)
	require.NotEmpty(t, r.Findings)
}

// What is refused with one error does not hide what is with another, nor is it shrunk to that.
func TestTwoErrors(t *testing.T) {
	t.Parallel()
	r, err := huntIn(t.Context(), testWorker(t, "two errors"), programTarget(), nil, Options{Seed: 1, Cases: 100, ShrinkTime: 20 * time.Second})
	require.NoError(t, err)
	var errs []string
	for _, f := range r.Findings {
		require.Equal(t, corpus.FaultRefused, f.Divergence.Fault)
		require.Len(t, f.Small.Program.Stmts, 1, "%s", f.Small.Text())
		errs = append(errs, f.Divergence.Failure(f.Small.Target).Error)
	}
	require.ElementsMatch(t, []string{"InternalError", "TypeError"}, errs)
}

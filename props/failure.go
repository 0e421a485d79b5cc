package props

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/props/hunt"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// Replay runs the case in text and fails the test if it diverges. It is what
// the test in a report folder calls.
func Replay(tb testing.TB, text string) {
	tb.Helper()
	c, err := corpus.Parse("case", []byte(text), 0)
	if err != nil {
		tb.Fatal(err)
	}
	d, err := run.Local().One(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	if d != nil {
		tb.Fatalf("%s: %s", c.Target, d)
	}
}

// shrinkTime bounds what a failing test spends on shrinking. The toolchain's
// own minimiser gives up after 60 seconds; half of that leaves room for the
// report.
const shrinkTime = 30 * time.Second

// Fail shrinks a diverging case, keeps it among the test's artifacts, and
// fails the test with the case and the commands that replay and report it.
func Fail(tb testing.TB, r *hunt.Runner, c *corpus.Case, d *corpus.Divergence) {
	tb.Helper()
	ctx, stop := context.WithTimeout(tb.Context(), shrinkTime)
	defer stop()
	small, smallD, stats, err := r.Minimize(ctx, c, d)
	if err != nil {
		tb.Errorf("shrinking: %v", err)
		small, smallD = c, d
	}
	path := filepath.Join(tb.ArtifactDir(), "case.txt")
	if err := small.WriteFile(path); err != nil {
		tb.Errorf("keeping the case: %v", err)
	}
	tb.Fatalf(`%s: %s
found as: %s
shrunk in %d runs to:

%s
save it as case.txt (run with -artifacts to keep %s), then:
	slidefuzz replay case.txt
	slidefuzz report case.txt`, c.Target, smallD, d, stats.Runs, small.Text(), path)
}

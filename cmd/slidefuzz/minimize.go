package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/shrink"
	"github.com/slidefuzz/slidefuzz/props/hunt"
)

var minimizeCommand = command{
	name:  "minimize",
	args:  "FILE",
	about: "shrink a case that diverges",
	long: `
Shrinks the case in FILE (- is standard input), keeping the same failure, and
prints the small case with its expect. Ctrl-C ends the shrinking with the
smallest case so far. A race on a device that orders the blocks itself is left as
it is, for it shows more rarely in what is smaller; the same race as a small case
on sim goes to standard error.`,
	flags: func(fs *flag.FlagSet) action {
		memory := memoryFlag(fs)
		w := execFlags(fs)
		shrinkTime := shrinkTimeFlag(fs)
		out := fs.String("o", "", "write the small case to `FILE`, whole or not at all")
		return func(ctx context.Context, e *env, args []string) (int, error) {
			c, d, r, err := e.diverging(ctx, args, int64(*memory), w)
			if err != nil {
				return 0, err
			}
			defer w.kill()
			r.ShrinkTime = *shrinkTime
			small, d, stats, err := r.Minimize(ctx, c, d)
			if err != nil {
				return exitUnexpected, fmt.Errorf("%s: %w", args[0], err)
			}
			if *out == "" {
				_, _ = e.out.Write(small.Text()) // run reports what fails
			} else if err := small.WriteFile(*out); err != nil {
				return 0, err
			}
			if d.Sim != nil {
				fmt.Fprintf(e.err, "on sim:\n%s\n", indent(d.Sim.Text()))
			}
			fmt.Fprintf(e.err, "%s\n%s, %s", d, inWords(small), shrunkInRuns(d, stats, smaller(small, c)))
			switch {
			case ctx.Err() != nil:
				fmt.Fprint(e.err, "; interrupted")
			case stats.Minimal:
				fmt.Fprint(e.err, "; proven smallest")
			}
			fmt.Fprintln(e.err)
			return exitOK, nil
		}
	},
}

// smaller reports whether a case is smaller than another, whatever they are to come to.
func smaller(a, b *corpus.Case) bool {
	a, b = a.Clone(), b.Clone()
	a.Expect, b.Expect = nil, nil
	return corpus.Compare(a, b) < 0
}

// shrunkInRuns says in how many runs a case was shrunk, and whether that came to its end and
// made it smaller.
func shrunkInRuns(d *corpus.Divergence, stats shrink.Stats, smaller bool) string {
	switch {
	case d.Fault == corpus.FaultHang:
		return "not shrunk, for each run of a hang takes the whole time limit"
	case stats.Runs == 0:
		return "not shrunk"
	case stats.Bounded:
		return "not shrunk to its end in " + corpus.Plural(stats.Runs, "run")
	case !smaller:
		return "not smaller after " + corpus.Plural(stats.Runs, "run")
	}
	return "shrunk in " + corpus.Plural(stats.Runs, "run")
}

// diverging reads the one case of a command and runs it; a case that agrees
// with the oracle is an error.
func (e *env) diverging(ctx context.Context, args []string, limit int64, w *workerFlags) (*corpus.Case, *corpus.Divergence, *hunt.Runner, error) {
	if len(args) != 1 {
		return nil, nil, nil, errors.New("want one case file")
	}
	c, err := e.readCase(ctx, args[0], limit)
	if err != nil {
		return nil, nil, nil, err
	}
	r, err := w.runner(ctx, limit)
	if err != nil {
		return nil, nil, nil, err
	}
	// Where the order is the device's own the case may need some runs.
	v, err := r.Replay(ctx, c, 0)
	for n := 1; err == nil && v.Divergence == nil && c.Native() && n < mostTries && ctx.Err() == nil; n += v.Runs.Of {
		v, err = r.Replay(ctx, c, 0)
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", args[0], err)
	}
	if v.Divergence == nil {
		return nil, nil, nil, fmt.Errorf("%s: the case agrees with the oracle; want one that diverges", args[0])
	}
	return c, v.Divergence, r, nil
}

// mostTries is how often a case is run that may diverge in some runs alone: what
// fails in one run of a hundred is then met 19 times of 20.
const mostTries = 300

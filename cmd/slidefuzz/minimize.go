package main

import (
	"errors"
	"flag"
	"fmt"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/props"
)

var minimizeCommand = command{
	name:  "minimize",
	args:  "FILE",
	about: "shrink a case that diverges",
	long: `
Shrinks the case in FILE (- is standard input), keeping the same failure, and
prints the small case with its expect. Ctrl-C ends the shrinking with the
smallest case so far.`,
	flags: func(fs *flag.FlagSet) action {
		memory := memoryFlag(fs)
		w := execFlags(fs)
		shrinkTime := shrinkTimeFlag(fs)
		out := fs.String("o", "", "write the small case to `FILE`, whole or not at all")
		return func(e *env, args []string) (int, error) {
			c, d, r, err := e.diverging(args, int64(*memory), w)
			if err != nil {
				return 0, err
			}
			if r.ShrinkTime = *shrinkTime; r.Worker != nil {
				defer r.Worker.Kill()
			}
			small, d, stats, err := r.Minimize(e.ctx, c, d)
			if err != nil {
				return exitUnexpected, fmt.Errorf("%s: %w", args[0], err)
			}
			if *out == "" {
				_, _ = e.out.Write(small.Text()) // run reports what fails
			} else if err := small.WriteFile(*out); err != nil {
				return 0, err
			}
			fmt.Fprintf(e.err, "%s\n%s, shrunk in %s", d, inWords(small), plural(stats.Runs, "run"))
			switch {
			case e.ctx.Err() != nil:
				fmt.Fprint(e.err, "; interrupted")
			case stats.Minimal:
				fmt.Fprint(e.err, "; proven smallest")
			}
			fmt.Fprintln(e.err)
			return exitOK, nil
		}
	},
}

// diverging reads the one case of a command and runs it; a case that agrees
// with the oracle is an error.
func (e *env) diverging(args []string, limit int64, w *workerFlags) (*corpus.Case, *corpus.Divergence, *props.Runner, error) {
	if len(args) != 1 {
		return nil, nil, nil, errors.New("want one case file")
	}
	c, err := e.readCase(args[0], limit)
	if err != nil {
		return nil, nil, nil, err
	}
	r := props.NewRunner()
	r.Limit, r.Timeout = limit, w.timeout
	if r.Worker, err = w.client(); err != nil {
		return nil, nil, nil, err
	}
	d, err := r.Run(c)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", args[0], err)
	}
	if d == nil {
		return nil, nil, nil, fmt.Errorf("%s: the case agrees with the oracle; want one that diverges (a race on host does not show in every run)", args[0])
	}
	return c, d, r, nil
}

package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/hunt"
)

var replayCommand = command{
	name:  "replay",
	args:  "FILE…",
	about: "run case files and compare with what they expect",
	long: `
Runs each case file (- is standard input) and says where it diverges. Exits with
0 when each outcome is the file's expect; without expect, when it agrees with
the oracle. With --times every run must do so; but where the device orders the
blocks itself (host, schedule native) a divergence that is expected
need show only once, and the line gives k of n. Without --times such a case is
run as often as its rate says it was counted. Where it does not show, in too few runs
to tell, the line says so, and how many --times would exclude its rate; the exit
status is 1, as of what cannot be judged. A case of a worker needs its command,
--exec, and exits with 3 without it; one of another engine than --engine
reference names exits with 2.`,
	flags: func(fs *flag.FlagSet) action {
		memory := memoryFlag(fs)
		w := execFlags(fs)
		times := fs.Int("times", 0, "run each case `N` times (default: the runs of its rate, else 1)")
		return func(ctx context.Context, e *env, args []string) (int, error) {
			if err := noFiles(args); err != nil {
				return 0, err
			}
			if isSet(fs, "times") && *times < 1 {
				return 0, fmt.Errorf("--times %d: want at least 1", *times)
			}
			if err := noneThere(args); err != nil {
				return 0, err
			}
			status := exitOK
			r, err := w.runner(ctx, int64(*memory))
			if err != nil {
				return 0, err
			}
			defer w.kill()
			for _, path := range args {
				if ctx.Err() != nil {
					fmt.Fprintf(e.out, "%s: not run: interrupted\n", path)
					continue
				}
				v, err := e.replay(ctx, r, path, *times)
				if err != nil && ctx.Err() != nil {
					fmt.Fprintf(e.out, "%s: not run: interrupted\n", path)
					continue
				}
				if err != nil {
					e.complain(err)
					status = worse(status, statusOf(err))
					continue
				}
				fmt.Fprintln(e.out, v)
				if !v.OK {
					status = worse(status, exitUnexpected)
				}
			}
			return status, nil
		}
	},
}

// verdict is the verdict on a file.
type verdict struct {
	hunt.Verdict
	path   string
	target window.Target
}

func (v verdict) String() string { return fmt.Sprintf("%s: %s: %s", v.path, v.target, v.Verdict) }

func (e *env) replay(ctx context.Context, r *hunt.Runner, path string, times int) (verdict, error) {
	c, err := e.readCase(ctx, path, r.Limit)
	if err != nil {
		return verdict{}, err
	}
	return e.replayed(ctx, r, path, c, times)
}

// replayed is replay of a case that was read.
func (e *env) replayed(ctx context.Context, r *hunt.Runner, path string, c *corpus.Case, times int) (verdict, error) {
	v, err := r.Replay(ctx, c, times)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return verdict{v, path, c.Target}, err
}

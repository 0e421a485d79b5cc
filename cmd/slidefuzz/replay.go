package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/props"
)

var replayCommand = command{
	name:  "replay",
	args:  "FILE…",
	about: "run case files and compare with what they expect",
	long: `
Runs each case file (- is standard input) and says where it diverges. Exits with
0 when each outcome is the file's expect; without expect, when it agrees with
the oracle. With --times every run must do so; but a divergence expected of a
device that orders the blocks itself (host), or of a worker, need show only
once. A case of a worker needs its command: --exec.`,
	flags: func(fs *flag.FlagSet) action {
		memory := memoryFlag(fs)
		w := execFlags(fs)
		times := fs.Int("times", 1, "run each case `N` times (default 1)")
		return func(e *env, args []string) (int, error) {
			if err := noFiles(args); err != nil {
				return 0, err
			}
			if *times < 1 {
				return 0, fmt.Errorf("--times %d: want at least 1", *times)
			}
			status := exitOK
			r := props.NewRunner()
			r.Limit, r.Timeout = int64(*memory), w.timeout
			client, err := w.client()
			if err != nil {
				return 0, err
			}
			if r.Worker = client; client != nil {
				defer client.Kill()
			}
			for _, path := range args {
				v, err := e.replay(r, path, *times)
				if err != nil {
					e.complain(err)
					status = worse(status, statusOf(err))
					continue
				}
				fmt.Fprintf(e.out, "%s: %s\n", path, v.text)
				if !v.ok {
					status = worse(status, exitUnexpected)
				}
			}
			return status, nil
		}
	},
}

// verdict is what replaying a case came to.
type verdict struct {
	ok   bool
	text string
}

func (e *env) replay(r *props.Runner, path string, times int) (verdict, error) {
	c, err := e.readCase(path, r.Limit)
	if err != nil {
		return verdict{}, err
	}
	v, err := judge(e.ctx, r, c, times)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return v, err
}

// judge runs a case that many times and compares with what it expects.
func judge(ctx context.Context, r *props.Runner, c *corpus.Case, times int) (verdict, error) {
	want := c.Expect
	if want == nil {
		want = &corpus.Expect{OK: true}
	}
	if impls.OnGPU(c.Target.Device) && c.Schedule.Kind == impls.Native {
		return judgeNative(ctx, r, c, times)
	}
	runs, diverged, met := 0, 0, 0
	var hit, miss *corpus.Divergence // the first of each
	for runs < times && (runs == 0 || ctx.Err() == nil) {
		d, err := r.Run(c)
		if err != nil {
			return verdict{}, err
		}
		runs++
		if d != nil {
			diverged++
		}
		switch {
		case want.Meets(d):
			if met++; met == 1 {
				hit = d
			}
		case runs-met == 1:
			miss = d
		}
	}
	free := impls.OrdersItself(c.Target.Device) || c.Schedule.Kind == impls.Native
	v := verdict{ok: met == runs || free && !want.OK && met > 0}
	shown := miss
	if v.ok {
		shown = hit
	}
	v.text = c.Target.String() + ": " + outcomeText(shown)
	switch {
	case c.Expect != nil && v.ok:
		v.text += "; as expected"
	case c.Expect != nil:
		v.text += fmt.Sprintf("; NOT AS EXPECTED: want %s", c.Expect)
	}
	if times > 1 {
		v.text += fmt.Sprintf(" (%d of %s diverged)", diverged, plural(runs, "run"))
	}
	if runs < times {
		v.text += "; interrupted"
	}
	return v, nil
}

// judgeNative runs a case that leaves the order to a GPU: its runs are counted
// together, and a divergence that is expected need show only once.
func judgeNative(ctx context.Context, r *props.Runner, c *corpus.Case, times int) (verdict, error) {
	r.NativeRuns = times
	defer func() { r.NativeRuns = 0 }()
	all, err := r.RunAll(ctx, []*corpus.Case{c})
	if err != nil {
		return verdict{}, err
	}
	d := all[0]
	want := c.Expect
	if want == nil {
		want = &corpus.Expect{OK: true}
	}
	v := verdict{ok: want.Meets(d), text: c.Target.String() + ": " + outcomeText(d)}
	switch {
	case c.Expect != nil && v.ok:
		v.text += "; as expected"
	case c.Expect != nil:
		v.text += fmt.Sprintf("; NOT AS EXPECTED: want %s", c.Expect)
	}
	if d == nil && times > 1 {
		v.text += fmt.Sprintf(" (0 of %s diverged)", plural(times, "run"))
	}
	return v, nil
}

func outcomeText(d *corpus.Divergence) string {
	if d == nil {
		return "agrees with the oracle"
	}
	return "diverges: " + d.String()
}

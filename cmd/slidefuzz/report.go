package main

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"

	"github.com/slidefuzz/slidefuzz/corpus/report"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

var reportCommand = command{
	name:  "report",
	args:  "FILE",
	about: "write a report folder for a case that diverges",
	long: `
Runs the case in FILE (- is standard input) as it is and writes what is wrong to
a new folder, for a bug tracker. Minimize the case first.`,
	flags: func(fs *flag.FlagSet) action {
		memory := memoryFlag(fs)
		w := execFlags(fs)
		out := fs.String("o", "", "the `DIR` to write (default: the first free reports/TARGET-N)")
		open := fs.Bool("open", false, "show the report's page in the browser; the exit status is 3 where there is none")
		return func(ctx context.Context, e *env, args []string) (int, error) {
			c, d, r, err := e.diverging(ctx, args, int64(*memory), w)
			if err != nil {
				return 0, err
			}
			if c.Native() && c.Target.Device != window.Worker {
				if c, d, err = r.Native(ctx, c, d); err != nil {
					return 0, err
				}
			}
			// The report's own case promises what the report says.
			c = c.Clone()
			c.Expect = d.Expect()
			to := reporter{client: w.client, flags: w}
			defer w.kill()
			dir := *out
			if dir == "" {
				dir, err = to.write(ctx, "reports", c, d, "")
			} else {
				err = to.report(ctx, dir, c, d, "").WriteDir(dir)
			}
			if err != nil {
				return 0, err
			}
			fmt.Fprintf(e.out, "%s\nreport: %s\n", d, dir)
			if *open {
				path, err := filepath.Abs(filepath.Join(dir, report.PageName))
				if err != nil {
					return 0, err
				}
				return exitOK, browse(ctx, path)
			}
			return exitOK, nil
		}
	},
}

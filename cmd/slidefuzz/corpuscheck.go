package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
	"github.com/slidefuzz/slidefuzz/props/run/engine"
	"github.com/slidefuzz/slidefuzz/props/run/worker"
)

var checkCommand = command{
	name:  "corpus check",
	args:  "DIR|FILE…",
	about: "replay every case of a folder",
	long: `
Parses and replays case files, and all files *.txt in folders and below whose
name starts with no dot. Prints those whose outcome is not their expect, and
exits with 1 if there is one; without expect, a case must agree. Cases of workers
and engines need theirs named: --exec, or --engine. Those of others are not run, a line
for each folder says so, and the exit status is 3.`,
	flags: func(fs *flag.FlagSet) action {
		memory := memoryFlag(fs)
		w := execFlags(fs)
		return func(ctx context.Context, e *env, args []string) (int, error) {
			if len(args) == 0 {
				return 0, errors.New("want a folder or case files")
			}
			files, err := allCaseFiles(args)
			if err != nil {
				return 0, err
			}
			r, err := w.runner(ctx, int64(*memory))
			if err != nil {
				return 0, err
			}
			if b, ok := r.ByDevice[window.EngineDevice].(*engine.References); ok {
				b.Named = false // a folder may have cases of others too, which are not run
			}
			defer w.kill()
			named := w.named(r.Backends)
			status, good, bad, failed := exitOK, 0, 0, 0
			var needs needed
			for _, path := range files {
				if ctx.Err() != nil {
					fmt.Fprintln(e.out, "interrupted")
					break
				}
				c, err := e.readCase(ctx, path, r.Limit)
				if err == nil {
					err = otherThan(named, c.Target)
				}
				var v verdict
				if err == nil {
					v, err = e.replayed(ctx, r, path, c, 0)
				}
				if needs.note(path, err) {
					continue
				}
				switch {
				case err != nil:
					failed++
					e.complain(err)
					status = worse(status, statusOf(err))
				case !v.OK:
					bad++
					fmt.Fprintln(e.out, v)
					status = worse(status, exitUnexpected)
				default:
					good++
				}
			}
			for _, line := range needs.lines() {
				fmt.Fprintln(e.out, line)
				status = worse(status, exitMissing)
			}
			end := fmt.Sprintf("%s, %d as expected, %d not, %d not run", corpus.Plural(len(files), "case"), good, bad, len(files)-good-bad-failed)
			if failed > 0 {
				end += ", " + corpus.Plural(failed, "error")
			}
			fmt.Fprintln(e.out, end)
			return status, nil
		}
	},
}

// named are the targets of the worker and the engine that run here, by their device. The
// reference engine runs cases of each of its faults.
func (w *workerFlags) named(all *run.Backends) map[string]window.Target {
	named := map[string]window.Target{}
	if b, ok := all.ByDevice[window.Worker].(*worker.Backend); ok {
		named[window.Worker] = b.Target()
	}
	if b := w.engine.backend; b != nil && w.engine.name != engine.ReferenceName {
		named[window.EngineDevice] = b.Target()
	}
	return named
}

// otherThan refuses a case of another worker or engine than the one that is named: what it
// would do there says nothing of its own.
func otherThan(named map[string]window.Target, t window.Target) error {
	if own, ok := named[t.Device]; !ok || t.Is(own) {
		return nil
	}
	return engine.Unnamed(t)
}

// needed counts the cases that could not be run since nobody named what runs them.
type needed struct {
	all   []need // as they came
	count map[need]int
}

// need is what the cases of a folder ask for, and the flags that name it.
type need struct{ dir, what, flags string }

// note reports whether a case could not be run for that reason, and counts it.
func (n *needed) note(path string, err error) bool {
	var unnamed *run.UnnamedError
	if !errors.As(err, &unnamed) {
		return false
	}
	if n.count == nil {
		n.count = map[need]int{}
	}
	of := need{filepath.Dir(path), unnamed.What(), unnamed.Naming()}
	if n.count[of]++; n.count[of] == 1 {
		n.all = append(n.all, of)
	}
	return true
}

// lines has one for each folder and what it needs.
func (n *needed) lines() (lines []string) {
	for _, of := range n.all {
		lines = append(lines, fmt.Sprintf("%s: %s not run: needs %s: slidefuzz corpus check %s %s",
			of.dir, corpus.Plural(n.count[of], "case"), of.what, of.flags, quoteWord(of.dir)))
	}
	return lines
}

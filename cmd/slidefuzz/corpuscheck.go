package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/props/run"
)

var checkCommand = command{
	name:  "corpus check",
	args:  "DIR|FILE…",
	about: "replay every case of a folder",
	long: `
Parses and replays case files, and all files *.txt in folders and below whose
name starts with no dot. Prints those whose outcome is not their expect, and
exits with 1 if there is one; without expect, a case must agree. Cases of workers
and engines need a command: --exec. Without it they are not run, a line for each
folder says so, and the exit status is 3.`,
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
			defer w.kill()
			status, good, tried := exitOK, 0, 0
			var needs needed
			for _, path := range files {
				if ctx.Err() != nil {
					fmt.Fprintln(e.out, "interrupted")
					break
				}
				v, err := e.replay(ctx, r, path, 0)
				if needs.note(path, err) {
					continue
				}
				tried++
				switch {
				case err != nil:
					e.complain(err)
					status = worse(status, statusOf(err))
				case !v.OK:
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
			fmt.Fprintf(e.out, "%s, %d as expected, %d not, %d not run\n", plural(len(files), "case"), good, tried-good, len(files)-tried)
			return status, nil
		}
	},
}

// needed is the cases that could not be run since nobody named what runs them, by folder.
type needed struct {
	folders []string // as they came
	count   map[string]int
	targets map[string][]string // what the cases of a folder ask for, each once
}

// note reports whether a case could not be run for that reason, and counts it.
func (n *needed) note(path string, err error) bool {
	var unnamed *run.UnnamedError
	if !errors.As(err, &unnamed) {
		return false
	}
	if n.count == nil {
		n.count, n.targets = map[string]int{}, map[string][]string{}
	}
	dir := filepath.Dir(path)
	if n.count[dir]++; n.count[dir] == 1 {
		n.folders = append(n.folders, dir)
	}
	if what := unnamed.What(); !slices.Contains(n.targets[dir], what) {
		n.targets[dir] = append(n.targets[dir], what)
	}
	return true
}

// lines has one for each folder.
func (n *needed) lines() (lines []string) {
	for _, dir := range n.folders {
		lines = append(lines, fmt.Sprintf("%s: %s not run: needs %s: slidefuzz corpus check --exec 'COMMAND ARG …' %s",
			dir, plural(n.count[dir], "case"), strings.Join(n.targets[dir], ", "), quoteWord(dir)))
	}
	return lines
}

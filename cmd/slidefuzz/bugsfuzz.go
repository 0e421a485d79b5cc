package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls/window"
)

// How a planted bug is fuzzed: with so many seeds, with an empty corpus each, until so
// many executions. docs/bench/bugsfuzz.sh does the same without Go.
const (
	fuzzRuns       = 5
	fuzzExecutions = 100_000
)

// errNoGo is that --fuzz needs a Go toolchain and the source of this module.
var errNoGo = errors.New("--fuzz runs go test -fuzz: it needs the go command, and a checkout of github.com/slidefuzz/slidefuzz as the working directory")

// fuzzer fuzzes planted bugs with the fuzz target of package fuzz, built once.
type fuzzer struct {
	dir    string // for what fuzzing writes
	binary string
}

// newFuzzer builds the fuzz target of the checkout in the working directory. Close
// removes it.
func newFuzzer(ctx context.Context) (f *fuzzer, err error) {
	const pkg = "github.com/slidefuzz/slidefuzz/fuzz"
	if err := exec.CommandContext(ctx, "go", "list", pkg).Run(); err != nil {
		return nil, errNoGo
	}
	f = &fuzzer{}
	if f.dir, err = os.MkdirTemp("", "slidefuzz-bugs-*"); err != nil {
		return nil, err
	}
	f.binary = filepath.Join(f.dir, "fuzz.exe")
	// -fuzz makes the compiler count what is covered.
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-fuzz", "^FuzzBug$", "-o", f.binary, pkg).CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("building the fuzz target: %w\n%s", err, out), f.Close())
	}
	return f, nil
}

// Close removes what was built.
func (f *fuzzer) Close() error { return os.RemoveAll(f.dir) }

// foundAt is what the fuzz target says of the input that failed.
var foundAt = regexp.MustCompile(`at execution (\d+) of this process`)

// until is the executions of each run until the bug was caught, 0 for a run that did not.
func (f *fuzzer) until(ctx context.Context, bug window.Bug) (at []int, err error) {
	for seed := range fuzzRuns {
		dir := filepath.Join(f.dir, strconv.Itoa(seed))
		if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
			return nil, err
		}
		// One process: what it says is then the number of all executions. And no
		// minimising, which would add some.
		cmd := exec.CommandContext(ctx, f.binary, "-test.run=^$", "-test.fuzz=^FuzzBug$", "-test.parallel=1", "-test.fuzzminimizetime=0",
			fmt.Sprintf("-test.fuzztime=%dx", fuzzExecutions), "-test.fuzzcachedir="+filepath.Join(dir, "cache"))
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "SLIDEFUZZ_BUG="+bug.Target.String(), "SLIDEFUZZ_NO_SEEDS=1", fmt.Sprintf("GODEBUG=fuzzseed=%d", seed+1))
		out, err := cmd.CombinedOutput()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		m := foundAt.FindSubmatch(out)
		switch {
		case err == nil:
			at = append(at, 0)
		case m == nil:
			return nil, fmt.Errorf("fuzzing %s: %w\n%s", bug.Target, err, bytes.TrimSpace(out))
		default:
			caught, err := strconv.Atoi(string(m[1]))
			if err != nil {
				return nil, err
			}
			at = append(at, caught)
		}
	}
	return at, nil
}

// readFuzzed reads what docs/bench/bugsfuzz.sh printed: a line a run, "BUG SEED
// EXECUTIONS", or "missed" for the number of those; lines that begin with # are of its
// summary. It returns the executions of each run by bug, 0 where it was missed, in the
// order of the seeds 1 to fuzzRuns, all of which must be there.
func readFuzzed(file string) (at map[string][]int, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	at = map[string][]int{}
	seen := map[string]int{} // bits of seeds
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		var seed, executions int
		ok := len(f) == 3
		if ok {
			seed, err = strconv.Atoi(f[1])
			ok = err == nil && seed >= 1 && seed <= fuzzRuns && seen[f[0]]&(1<<seed) == 0
		}
		if ok && f[2] != "missed" {
			executions, err = strconv.Atoi(f[2])
			ok = err == nil && executions > 0
		}
		if !ok {
			return nil, fmt.Errorf("%s:%d: want BUG, a seed from 1 to %d, once each, and the executions or missed", file, n, fuzzRuns)
		}
		seen[f[0]] |= 1 << seed
		if at[f[0]] == nil {
			at[f[0]] = make([]int, fuzzRuns)
		}
		at[f[0]][seed-1] = executions
	}
	for bug, seeds := range seen {
		if seeds != 1<<(fuzzRuns+1)-2 {
			return nil, fmt.Errorf("%s: %s was not fuzzed with each of the seeds 1 to %d", file, bug, fuzzRuns)
		}
	}
	return at, nil
}

// fuzzWords is how fuzzing caught a bug: executions of each run.
func fuzzWords(at []int) string {
	list := make([]string, len(at))
	for i, n := range at {
		if list[i] = strconv.Itoa(n); n == 0 {
			list[i] = "-"
		}
	}
	return strings.Join(list, ", ")
}

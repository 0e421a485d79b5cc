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

// How a planted bug is fuzzed: so many times, with an empty corpus each, until so many
// executions.
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

// until is the executions of each run until the bug was caught. A run that does not
// catch it, told as 0, is the last: it has taken as long as hundreds that do. nil is a
// race, whose order of blocks the bytes of a user's cache do not have.
func (f *fuzzer) until(ctx context.Context, bug window.Bug, runs int) (at []int, err error) {
	if bug.Racy {
		return nil, nil
	}
	for n := range runs {
		dir := filepath.Join(f.dir, strconv.Itoa(n))
		if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
			return nil, err
		}
		// One process: what it says is then the number of all executions.
		cmd := exec.CommandContext(ctx, f.binary, "-test.run=^$", "-test.fuzz=^FuzzBug$", "-test.parallel=1",
			fmt.Sprintf("-test.fuzztime=%dx", fuzzExecutions), "-test.fuzzcachedir="+filepath.Join(dir, "cache"))
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "SLIDEFUZZ_BUG="+bug.Target.String(), "SLIDEFUZZ_NO_SEEDS=1")
		out, err := cmd.CombinedOutput()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		m := foundAt.FindSubmatch(out)
		switch {
		case err == nil:
			return append(at, 0), nil
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

// fuzzWords is how fuzzing caught a bug: executions of each run.
func fuzzWords(at []int) string {
	if at == nil {
		return "has no order of blocks"
	}
	list := make([]string, len(at))
	for i, n := range at {
		if list[i] = strconv.Itoa(n); n == 0 {
			list[i] = "-"
		}
	}
	return strings.Join(list, ", ")
}

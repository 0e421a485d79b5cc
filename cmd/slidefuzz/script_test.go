package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes slidefuzz a command of the scripts: this binary, by that name. issueengine
// is the worker of TestHuntIssue.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"slidefuzz": main, "issueengine": serveIssue})
}

// The command line, as its user sees it: testdata/script has a script for each
// topic. A script stands alone: it has its own files, folder and environment.
func TestScript(t *testing.T) {
	// Scripts have no home, and what go has built is in one.
	cache, err := exec.CommandContext(t.Context(), "go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			// A machine without OpenCL, whatever this one has.
			env.Setenv("SLIDEFUZZ_OPENCL_LIB", "libnone.so")
			env.Setenv("GOCACHE", strings.TrimSpace(string(cache)))
			// For a PATH with this command and no other.
			env.Setenv("ONLY_SLIDEFUZZ", filepath.SplitList(env.Getenv("PATH"))[0])
			if env.Getenv("GORACE") == "" {
				// Else a command sleeps for a second at its end, under the race
				// detector.
				env.Setenv("GORACE", "atexit_sleep_ms=10")
			}
			return nil
		},
		Cmds:                map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits, "await": await},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// exits STATUS COMMAND [ARG …] runs a command, which must end with that status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND [ARG …]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got, err = exit.ExitCode(), nil
	}
	ts.Check(err)
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// awaited is how long await waits: a busy machine starts a process in seconds.
const awaited = 30 * time.Second

// await FILE PATTERN waits until a file that another process writes has the
// pattern in it.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE PATTERN")
	}
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	path := ts.MkAbs(args[0])
	for end := time.Now().Add(awaited); ; time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(path)
		if err == nil && pattern.Match(text) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s does not have %s after %s: %q, %v", args[0], args[1], awaited, text, err)
		}
	}
}

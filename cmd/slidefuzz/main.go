// Command slidefuzz hunts, replays, shrinks and reports faults of
// sliding-window KV caches. See `slidefuzz help`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

// The exit statuses.
const (
	exitOK         = 0 // nothing unexpected
	exitUnexpected = 1 // a divergence, or a known-bad target not caught
	exitUsage      = 2 // wrong usage or a bad file
	exitMissing    = 3 // the machine lacks what was asked for
)

// errMissing marks an error that ends with exitMissing.
var errMissing = errors.New("this build or machine lacks it")

// errUnexpected ends with exitUnexpected; what happened has been printed.
var errUnexpected = errors.New("unexpected outcome")

type command struct {
	name, args, about, more string
	run                     func(*env, []string) error
}

var commands []command

func init() { // not a literal: hunt's help reads the list
	commands = []command{
		{"hunt", "[flags] [target …]", "run random cases of targets against the oracle, shrink what fails", huntHelp, hunt},
		{"replay", "[flags] FILE…", "run cases; 0 if the outcome is the one that the file expects", "", replay},
		{"minimize", "[flags] FILE", "make a failing case small, keeping the same failure", "", minimize},
		{"report", "[flags] FILE", "write a folder fit for a bug tracker", "", report},
		{"targets", "[flags]", "list the built-in targets", "", targets},
		{"doctor", "[flags]", "say what this machine can run", "", doctor},
		{"corpus", "import|check …", "turn fuzz inputs into cases; check that cases do what they expect", corpusHelp, corpusCommand},
		{"version", "", "print the version", "", version},
	}
}

// env is what a command works with, so that tests call commands as main does.
type env struct {
	ctx            context.Context
	stdout, stderr io.Writer
	terminal       bool // stderr is a terminal
	name           string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	info, err := os.Stderr.Stat()
	e := &env{ctx: ctx, stdout: os.Stdout, stderr: os.Stderr, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
	os.Exit(e.main(os.Args[1:]))
}

func (e *env) main(args []string) int {
	if len(args) == 0 {
		e.usage(e.stderr)
		return exitUsage
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		if len(args) == 1 {
			e.usage(e.stdout)
			return exitOK
		}
		args = []string{args[1], "--help"}
	}
	for _, c := range commands {
		if c.name != args[0] {
			continue
		}
		e.name = c.name
		err := c.run(e, args[1:])
		switch {
		case err == nil, errors.Is(err, flag.ErrHelp):
			return exitOK
		case errors.Is(err, errUnexpected):
			return exitUnexpected
		}
		fmt.Fprintf(e.stderr, "slidefuzz %s: %v\n", c.name, err)
		if errors.Is(err, errMissing) {
			return exitMissing
		}
		return exitUsage
	}
	fmt.Fprintf(e.stderr, "slidefuzz: no command is called %q; slidefuzz help lists them\n", args[0])
	return exitUsage
}

func (e *env) usage(w io.Writer) {
	fmt.Fprintln(w, "slidefuzz fuzzes sliding-window KV caches.\n\nUsage:")
	for _, c := range commands {
		fmt.Fprintf(w, "  slidefuzz %-9s%-20s%s\n", c.name, c.args, c.about)
	}
	fmt.Fprintln(w, "\nslidefuzz help COMMAND tells a command's flags. Exit status: 0 nothing unexpected;\n1 a divergence in a sound target, or a known-bad one not caught; 2 wrong usage or\na bad file; 3 this machine lacks what was asked for.")
}

// flags makes the flag set of the command under way.
func (e *env) flags() *flag.FlagSet {
	f := flag.NewFlagSet(e.name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}

// parse reads flags and arguments in any order, so that a flag may follow a
// file.
func (e *env) parse(f *flag.FlagSet, args []string) ([]string, error) {
	var rest []string
	for {
		err := f.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			e.help(f)
			return nil, err
		}
		if err != nil {
			return nil, fmt.Errorf("%w; slidefuzz help %s lists the flags", err, e.name)
		}
		if f.NArg() == 0 {
			return rest, nil
		}
		rest = append(rest, f.Arg(0))
		args = f.Args()[1:]
	}
}

func (e *env) help(f *flag.FlagSet) {
	for _, c := range commands {
		if c.name != e.name {
			continue
		}
		fmt.Fprintf(e.stdout, "Usage: slidefuzz %s %s\n\n%s%s.\n\nFlags:\n", c.name, c.args, strings.ToUpper(c.about[:1]), c.about[1:])
		f.SetOutput(e.stdout)
		f.PrintDefaults()
		fmt.Fprint(e.stdout, c.more)
	}
}

// memory is a flag value like 256MiB or 1GiB; a bare number is MiB.
type memory int64

func (m *memory) String() string { return strconv.FormatInt(int64(*m)>>20, 10) + "MiB" }

func (m *memory) Set(s string) error {
	shift := 20
	if t, ok := strings.CutSuffix(s, "GiB"); ok {
		s, shift = t, 30
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(s, "MiB"), 10, 32)
	if err != nil || n < 1 || n > 1<<20 {
		return errors.New("want a size like 256MiB or 2GiB")
	}
	*m = memory(n << shift)
	return nil
}

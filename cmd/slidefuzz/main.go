package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/slidefuzz/slidefuzz/impls/gpu"
	"github.com/slidefuzz/slidefuzz/impls/subprocess"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/run"
)

func main() {
	status := execute(untilSignal(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	subprocess.KillAll() // what is left, nobody waits for
	os.Exit(status)
}

// untilSignal is a context that a first signal ends; a second ends the program
// at once.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		cancel(signalError{<-signals})
		sig := <-signals
		subprocess.KillAll()
		os.Exit(signalError{sig}.status())
	}()
	return ctx
}

// signalError is the cause of a context that a signal has ended.
type signalError struct{ os.Signal }

func (e signalError) Error() string { return "ended by a signal: " + e.String() }

// status is what a shell says of a program that the signal ended.
func (e signalError) status() int {
	if sig, ok := e.Signal.(syscall.Signal); ok {
		return exitSignal + int(sig)
	}
	return exitSignal + int(syscall.SIGINT)
}

// endedBy is the exit status of a program that a signal has ended.
func endedBy(ctx context.Context) (status int, ended bool) {
	var sig signalError
	if !errors.As(context.Cause(ctx), &sig) {
		return 0, false
	}
	return sig.status(), true
}

// The exit statuses. exitSignal is added to the number of a signal.
const (
	exitOK         = 0
	exitUnexpected = 1
	exitUsage      = 2
	exitMissing    = 3
	exitSignal     = 128
)

// worse is the status that says more: 1, then 2, then 3.
func worse(a, b int) int {
	if a == exitOK || b != exitOK && b < a {
		return b
	}
	return a
}

// statusOf is the exit status that an error stands for.
func statusOf(err error) int {
	var missing *gpu.MissingError
	var fault *worker.ProcessError
	var elsewhere *run.CacheError
	var browser *noBrowserError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &missing), errors.As(err, &elsewhere), errors.As(err, &browser):
		return exitMissing
	case errors.As(err, &fault):
		return exitUnexpected
	}
	return exitUsage
}

// env is what a command may touch.
type env struct {
	in       io.Reader
	out, err io.Writer
}

// complain prints an error.
func (e *env) complain(err error) { fmt.Fprintf(e.err, "slidefuzz: %v\n", err) }

// action runs a command. An error is printed, and decides the exit status
// where status is 0.
type action func(ctx context.Context, e *env, args []string) (status int, err error)

type command struct {
	name  string // of one word or two
	args  string
	about string
	long  string
	flags func(*flag.FlagSet) action
}

// commands is a function since help reads it.
func commands() []command {
	return []command{
		huntCommand, replayCommand, minimizeCommand, reportCommand, targetsCommand,
		doctorCommand, workerCheckCommand, workerCommand, importCommand, distilCommand, checkCommand, versionCommand,
	}
}

// find looks a command up by the first words of args.
func find(args []string) (c command, rest []string, err error) {
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && strings.Join(args[:len(words)], " ") == c.name {
			return c, args[len(words):], nil
		}
	}
	if args[0] == "corpus" {
		return c, nil, errors.New("corpus: want corpus import, corpus distil or corpus check")
	}
	return c, nil, fmt.Errorf("unknown command %q; slidefuzz help lists the commands", args[0])
}

// execute is the program without the process around it.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &sink{w: stdout}
	e := &env{stdin, out, stderr}
	status := e.dispatch(ctx, args)
	if out.err != nil {
		e.complain(fmt.Errorf("writing standard output: %w", out.err))
		status = worse(status, exitUsage)
	}
	if s, ended := endedBy(ctx); ended {
		status = s
	}
	return status
}

func (e *env) dispatch(ctx context.Context, args []string) int {
	if len(args) == 0 {
		usage(e.err)
		return exitUsage
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		return e.help(args[1:])
	case "-version", "--version":
		args = []string{"version"}
	}
	c, rest, err := find(args)
	if err != nil {
		e.complain(err)
		return exitUsage
	}
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	act := c.flags(fs)
	words, err := parseFlags(fs, rest)
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.help(e.out)
		return exitOK
	case err != nil:
		e.complain(fmt.Errorf("%s: %w; slidefuzz help %s lists the flags", c.name, err, c.name))
		return exitUsage
	}
	status, err := act(ctx, e, words)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			err = cmp.Or(context.Cause(ctx), err)
		}
		e.complain(fmt.Errorf("%s: %w", c.name, err))
		if status == exitOK {
			status = statusOf(err)
		}
	}
	return status
}

// parseFlags takes flags before, between and after the other words.
func parseFlags(fs *flag.FlagSet, args []string) (words []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		rest := fs.Args()
		if len(rest) == 0 {
			return words, nil
		}
		if n := len(args) - len(rest); n > 0 && args[n-1] == "--" {
			return append(words, rest...), nil
		}
		words, args = append(words, rest[0]), rest[1:]
	}
}

func (e *env) help(args []string) int {
	if len(args) == 0 {
		usage(e.out)
		return exitOK
	}
	c, _, err := find(args)
	if err != nil {
		e.complain(err)
		return exitUsage
	}
	c.help(e.out)
	return exitOK
}

func usage(w io.Writer) {
	fmt.Fprint(w, "slidefuzz finds, shrinks and replays faults of sliding-window KV caches.\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-26s %s\n", strings.TrimSpace(c.name+" "+c.args), c.about)
	}
	fmt.Fprintf(w, "  %-26s %s\n", "help [COMMAND]", "what a command does and its flags")
	fmt.Fprint(w, `
Exit status: 0 nothing unexpected; 1 a sound target diverged, a known-bad one
was not caught, a target could not be judged, or a case had another outcome than
it expects; 2 wrong usage or
a bad file; 3 the machine or this build lacks what was asked for; 130 or 143 a
signal ended the work (129 a terminal that was closed), and what was found before
is printed and written.
`)
}

func (c command) help(w io.Writer) {
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	c.flags(fs)
	fmt.Fprintf(w, "slidefuzz %s\n\n%s\n", strings.TrimSpace(c.name+" "+c.args), strings.TrimSpace(c.long))
	first := true
	fs.VisitAll(func(f *flag.Flag) {
		if first {
			fmt.Fprintln(w, "\nFlags:")
			first = false
		}
		dash := "--"
		if len(f.Name) == 1 {
			dash = "-"
		}
		value, about := flag.UnquoteUsage(f)
		fmt.Fprintf(w, "  %-18s %s\n", strings.TrimSpace(dash+f.Name+" "+value), about)
	})
}

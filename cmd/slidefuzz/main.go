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
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/slidefuzz/slidefuzz/corpus/cover/instrument"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/gpu"
	"github.com/slidefuzz/slidefuzz/impls/subprocess"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// gcPercent lets the heap grow to five times what lives, some tens of MiB in a hunt;
// above memoryLimit bytes, as at the size of the report, it is collected as it grows.
const (
	gcPercent   = 400
	memoryLimit = 512 << 20
)

func main() {
	// Most of what lives is what a hunt remembers, and most of what is allocated is
	// gone at once: a collector that runs often takes a fifth of a hunt's time.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
		debug.SetMemoryLimit(memoryLimit)
	}
	status := execute(untilSignal(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	subprocess.KillAll() // what is left, nobody waits for
	os.Exit(status)
}

// oneTerm is how long a second SIGTERM counts as the first: timeout(1) sends it twice, to
// the program and to its group, and may itself wait for a core in between.
const oneTerm = time.Second

// untilSignal is a context that a first signal ends; a second ends the program at once,
// unless both are SIGTERM, within oneTerm.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		first := <-signals
		at := time.Now()
		cancel(signalError{first})
		sig := <-signals
		for sig == syscall.SIGTERM && sig == first && time.Since(at) < oneTerm {
			sig = <-signals
		}
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
	var unnamed *run.UnnamedError
	var tool *instrument.MissingError
	var browser *noBrowserError
	var recorded *recordedError
	var program *subprocess.MissingError
	var start *engine.NotStartedError
	var notStarted *worker.StartError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &missing), errors.As(err, &elsewhere), errors.As(err, &unnamed), errors.As(err, &tool), errors.As(err, &browser), errors.As(err, &program):
		return exitMissing
	case errors.As(err, &fault), errors.As(err, &start), errors.As(err, &notStarted):
		return exitUnexpected
	case errors.As(err, &recorded):
		return recorded.status
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
		huntCommand, mergeCommand, replayCommand, hazardsCommand, minimizeCommand, reportCommand, targetsCommand, bugsCommand,
		doctorCommand, workerCheckCommand, workerCommand, importCommand, exportCommand, distilCommand, checkCommand, checkpointCommand, issueTableCommand,
		completionCommand, versionCommand,
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
	if of := group(args[0]); len(of) > 0 {
		names := make([]string, len(of))
		for i, c := range of {
			names[i] = c.name
		}
		last := len(names) - 1
		want := strings.Join(names[:last], ", ") + " or " + names[last]
		if len(args) == 1 {
			return c, nil, fmt.Errorf("%s: want %s", args[0], want)
		}
		typed := args[0] + " " + args[1]
		return c, nil, fmt.Errorf("unknown command %q%s; want %s", typed, didYouMean(typed, names), want)
	}
	return c, nil, fmt.Errorf("unknown command %q%s; slidefuzz help lists the commands", args[0], didYouMean(args[0], commandNames()))
}

// group are the commands of two words that begin with this one.
func group(word string) (of []command) {
	for _, c := range commands() {
		if strings.HasPrefix(c.name, word+" ") {
			of = append(of, c)
		}
	}
	return of
}

// asksForHelp reports whether a word is one of the flags for it.
func asksForHelp(word string) bool {
	return word == "-h" || word == "-help" || word == "--help"
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
	switch {
	case args[0] == "help" || asksForHelp(args[0]):
		return e.help(args[1:])
	case args[0] == "-version" || args[0] == "--version":
		args = []string{"version"}
	case len(args) > 1 && asksForHelp(args[1]) && len(group(args[0])) > 0:
		return e.help(args[:1])
	case args[0] == completeWord:
		complete(e.out, args[1:])
		return exitOK
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
		e.complain(fmt.Errorf("%s: %s; slidefuzz help %s lists the flags", c.name, flagError(fs, err), c.name))
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
	of := group(args[0])
	if len(args) == 1 && len(of) > 0 {
		e.helpGroup(args[0], of)
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

// helpGroup is the help of a word that begins several commands, and may be one
// itself.
func (e *env) helpGroup(word string, of []command) {
	if c, _, err := find([]string{word}); err == nil {
		c.help(e.out)
		fmt.Fprintln(e.out)
	} else {
		fmt.Fprintf(e.out, "slidefuzz %s COMMAND\n\n", word)
	}
	list(e.out, of)
	fmt.Fprintf(e.out, "\nslidefuzz help %s has its flags.\n", of[0].name)
}

// list prints commands, each with a few words of what it does.
func list(w io.Writer, all []command) {
	for _, c := range all {
		entry(w, commandColumn, strings.TrimSpace(c.name+" "+c.args), c.about)
	}
}

// columns is the width of help: that of a terminal nobody has made wider.
const columns = 80

// The columns where the texts of commands and flags begin.
const (
	commandColumn = 31
	flagColumn    = 21
)

// entry prints a name and, from a column on, what it is, in lines of no more than
// columns; a name that is too long has a line for itself.
func entry(w io.Writer, column int, name, about string) {
	line := "  " + name
	if utf8.RuneCountInString(line) > column-1 {
		fmt.Fprintln(w, line)
		line = ""
	}
	for i, text := range wrap(about, columns-column) {
		if i > 0 {
			line = ""
		}
		fmt.Fprintf(w, "%-*s%s\n", column, line, text)
	}
}

// wrap splits a text at spaces into lines of at most so many characters; a longer
// word has a line for itself.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// reflow breaks the paragraphs of a text anew, into lines of at most columns. Lines
// that begin with a space are left as they are.
func reflow(text string) string {
	var lines []string
	paragraph := ""
	end := func() {
		if paragraph != "" {
			lines = append(lines, wrap(paragraph, columns)...)
		}
		paragraph = ""
	}
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if line != "" && line[0] != ' ' {
			paragraph += line + " "
			continue
		}
		end()
		lines = append(lines, line)
	}
	end()
	return strings.Join(lines, "\n")
}

func usage(w io.Writer) {
	fmt.Fprint(w, "slidefuzz finds, shrinks and replays faults of sliding-window KV caches.\n\n")
	list(w, commands())
	entry(w, commandColumn, "help [COMMAND]", "what a command does and its flags")
	fmt.Fprint(w, `
Exit status: 0 nothing unexpected; 1 a sound target diverged, a known-bad one
was not caught, a target could not be judged, or a case had another outcome than
it expects; 2 wrong usage or a bad file; 3 the machine or this build lacks what
was asked for; 130 or 143 a signal ended the work (129 a terminal that was
closed), and what was found before is printed and written.
`)
}

func (c command) help(w io.Writer) {
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	c.flags(fs)
	fmt.Fprintf(w, "slidefuzz %s\n\n%s\n", strings.TrimSpace(c.name+" "+c.args), reflow(c.long))
	flags := listed(fs)
	if len(flags) > 0 {
		fmt.Fprintln(w, "\nFlags:")
	}
	for _, f := range flags {
		value, about := flag.UnquoteUsage(f)
		entry(w, flagColumn, strings.TrimSpace(dashed(f.Name)+" "+value), about)
	}
}

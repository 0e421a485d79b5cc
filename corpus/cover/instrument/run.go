package instrument

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus/cover"
)

// Run runs inputs and returns what each showed, in the same order. An input is the
// values of a fuzz file, or the text of a case and the bytes that it may take, an
// int64. Processes of some hundred inputs run side by side, as go test -fuzz has
// it; within one, inputs run in their order. limit is how long an input may take
// until it counts as hung: its process is ended, as one that dies is, and the next
// input runs in a fresh one. Of such an input it is known that it failed, not what
// it covered.
func (p *Program) Run(ctx context.Context, inputs [][]any, limit time.Duration) ([]cover.Seen, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	all := make([]cover.Seen, len(inputs))
	batches := make(chan int) // their first inputs
	var workers sync.WaitGroup
	for w := range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for from := range batches {
				to := min(from+batch, len(inputs))
				for from < to && ctx.Err() == nil {
					seen, err := p.process(ctx, w, inputs[from:to], limit)
					if err != nil {
						cancel(err) // the first error is the one that is kept
						break
					}
					from += copy(all[from:], seen)
				}
			}
		})
	}
	for from := 0; from < len(inputs); from += batch {
		batches <- from
	}
	close(batches)
	workers.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return all, nil
}

// process runs inputs in one process, and returns what those showed that it came
// to. No two calls at a time have the same worker.
func (p *Program) process(ctx context.Context, worker int, inputs [][]any, limit time.Duration) ([]cover.Seen, error) {
	given := filepath.Join(p.tmp, fmt.Sprintf("inputs-%d", worker))
	records := filepath.Join(p.tmp, fmt.Sprintf("records-%d", worker))
	var encoded bytes.Buffer
	if err := gob.NewEncoder(&encoded).Encode(inputs); err != nil {
		return nil, err
	}
	if err := os.WriteFile(given, encoded.Bytes(), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(records, nil, 0o600); err != nil {
		return nil, err
	}
	args := p.args
	if p.fuzz { // the targets of the harness that have an input
		args = slices.Clone(args)
		args[0] = "-test.run=^(" + inputName(0)
		for n := 1; n < len(inputs); n++ {
			args[0] += "|" + inputName(n)
		}
		args[0] += ")$/^seed#0$"
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := exec.CommandContext(ctx, p.binary, args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "SLIDEFUZZ_COVER_INPUTS="+given, "SLIDEFUZZ_COVER_RECORDS="+records, "GOCOVERDIR="+p.tmp)
	cmd.WaitDelay = time.Second // a child of its own may hold the pipes
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watch(ctx, records, limit, func() { cancel(errHung) })
	}()
	err := cmd.Run()
	hung := errors.Is(context.Cause(ctx), errHung)
	if err := ctx.Err(); err != nil && !hung {
		return nil, context.Cause(ctx)
	}
	cancel(nil)
	<-watched
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !hung && !errors.Is(err, exec.ErrWaitDelay) {
		return nil, err
	}
	data, err := os.ReadFile(records)
	if err != nil {
		return nil, err
	}
	seen, ended, err := p.read(data)
	if err != nil {
		return nil, err
	}
	if len(seen) == 0 {
		return nil, fmt.Errorf("the program ended before the first input: %s", tail(out.String()))
	}
	outputs := split(out.String(), len(seen))
	last := len(seen) - 1
	for i := range seen {
		if !p.fuzz {
			continue // its records say it all
		}
		if !strings.Contains(outputs[i], inputName(i)+"/seed#0") {
			return nil, fmt.Errorf("the target did not run input %d of %d: it must reach f.Fuzz whatever its seeds are, with arguments of the input's types; it said: %s", i+1, len(seen), tail(outputs[i]))
		}
		if len(seen[i].Failures) > 0 {
			seen[i].Failures = places(outputs[i])
		}
	}
	// The process may have died in the last, before or after its counters were read: a
	// panic ends it with status 2.
	died := !ended || len(seen) < len(inputs) || exit != nil && exit.ExitCode() == 2
	switch {
	case hung:
		seen[last].Failures = []string{"hangs"}
	case died:
		seen[last].Failures = []string{deathOf(out.String())}
	}
	return seen, nil
}

var errHung = errors.New("an input hangs")

// watch calls hung when a file has not grown for the limit.
func watch(ctx context.Context, file string, limit time.Duration, hung func()) {
	tick := time.NewTicker(max(limit/10, time.Millisecond))
	defer tick.Stop()
	size, since := int64(-1), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		info, err := os.Stat(file)
		if err != nil || info.Size() != size {
			if err == nil {
				size = info.Size()
			}
			since = time.Now()
		} else if time.Since(since) >= limit {
			hung()
			return
		}
	}
}

// read reads the records of a process. The last input may have no counters: ended
// is false then.
func (p *Program) read(data []byte) (seen []cover.Seen, ended bool, err error) {
	broken := errors.New("the records of the program are not whole: is the disk full?")
	field := func() []byte {
		if len(data) < 4 {
			err = broken
			return nil
		}
		n := binary.LittleEndian.Uint32(data)
		if uint64(n) > uint64(len(data)-4) {
			err = broken
			return nil
		}
		b := data[4 : 4+n]
		data = data[4+n:]
		return b
	}
	ended = true
	for len(data) > 0 {
		if len(data) < 5 {
			return nil, false, broken
		}
		kind := data[0]
		data = data[5:]
		text, counters := field(), field()
		if err != nil {
			return nil, false, err
		}
		switch kind {
		case 'm':
			if p.once.Do(func() { p.meta, p.metaErr = cover.ReadMeta(counters) }); p.metaErr != nil {
				return nil, false, p.metaErr
			}
		case 'b':
			seen, ended = append(seen, cover.Seen{}), false
		case 'e':
			s := &seen[len(seen)-1]
			if s.Blocks, err = p.meta.Counters(counters); err != nil {
				return nil, false, err
			}
			if complaint, ok := strings.CutPrefix(string(text), "!"); ok {
				return nil, false, errors.New(complaint)
			}
			if len(text) > 0 {
				s.Failures = []string{string(text)}
			}
			ended = true
		}
	}
	return seen, ended, nil
}

// split is the output of a test binary by input. It marks the lines that say which
// test runs, as -test.v=test2json has it, with a control character.
func split(out string, n int) []string {
	parts := make([]string, n)
	for i := range parts {
		_, rest, ok := strings.Cut(out, "\x16=== RUN   "+inputName(i)+"\n")
		if !ok {
			continue
		}
		parts[i], _, _ = strings.Cut(rest, "\x16=== RUN   "+inputName(i+1)+"\n")
		out = rest
	}
	return parts
}

// logLine is what testing writes before a message: where t.Error was called.
var logLine = regexp.MustCompile(`(?m)^ {4,}([^\s:]+\.go:\d+): `)

// places are the places that a failed test named, as one failure: two inputs that
// fail there fail alike.
func places(out string) []string {
	var all []string
	for _, m := range logLine.FindAllStringSubmatch(out, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	if len(all) == 0 {
		return []string{"fails"}
	}
	return []string{"fails at " + strings.Join(slices.Compact(all), ", ")}
}

// frame is a function of a stack trace and where it is.
var frame = regexp.MustCompile(`(?m)^([^\s(]\S*)\(.*\)\n\t(\S+\.go:\d+)`)

// deathOf says what ended a process: the panic, and the first function in its stack
// trace that is not the runtime's or testing's.
func deathOf(out string) string {
	for _, kind := range [...]string{"panic: ", "fatal error: "} {
		_, stack, ok := strings.Cut(out, kind)
		if !ok {
			continue
		}
		name := strings.TrimSuffix(kind, ": ")
		for _, m := range frame.FindAllStringSubmatch(stack, -1) {
			f := m[1]
			if f == "panic" || strings.HasPrefix(f, "runtime.") || strings.HasPrefix(f, "runtime/") || strings.HasPrefix(f, "testing.") {
				continue
			}
			return fmt.Sprintf("%s at %s/%s", name, filepath.Base(filepath.Dir(m[2])), filepath.Base(m[2]))
		}
		return name
	}
	return "ends the process"
}

// tail is the last lines of an output, or the first of a panic, without control
// characters.
func tail(out string) string {
	const lines = 12
	out = strings.TrimSpace(strings.ReplaceAll(out, "\x16", ""))
	if at := strings.Index(out, "panic: "); at >= 0 {
		all := strings.Split(out[at:], "\n")
		return strings.Join(all[:min(lines, len(all))], "\n")
	}
	all := strings.Split(out, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

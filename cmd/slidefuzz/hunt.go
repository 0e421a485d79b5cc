package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/props"
)

const huntHelp = `
A target is a name as slidefuzz targets lists it, a pattern of names like
roll/*/sim, or a scenario: issue-159855, the size of pytorch#159855. Without
one, all built-in targets are hunted.

Known-bad targets have a fault on purpose; not catching one is an error, except
for a race on host, whose order nobody chooses.

--json prints one object a line. "event" is one of
  start    seed, targets
  finding  target, case (the number that found it), op, tensor, fault, hazard,
           text (what is wrong, in words), file (the small case), minimal
  target   target, sound, cases, seconds, result (ok, caught, missed, diverged)
  end      unexpected (targets with a bad result), interrupted, seconds
`

// hunter is one run of the hunt command.
type hunter struct {
	*env
	opts   props.HuntOptions
	out    string
	json   bool
	start  time.Time
	bad    int
	suite  []junitCase
	status time.Time
}

func hunt(e *env, args []string) error {
	f := e.flags()
	h := &hunter{env: e, start: time.Now()}
	limit := memory(corpus.DefaultLimit)
	devices := f.String("device", "", "hunt only on these `devices`, comma-separated: "+strings.Join(impls.Devices, ", "))
	seed := f.Uint64("seed", 0, "`seed` of the cases (default: a random one, printed)")
	f.IntVar(&h.opts.Cases, "cases", 2000, "`cases` a target")
	total := f.Duration("time", 0, "at most so `long` for the whole hunt")
	f.StringVar(&h.out, "out", "", "write a report folder for each finding into this `directory`")
	f.BoolVar(&h.json, "json", false, "print one JSON object a line")
	junit := f.String("junit", "", "write a JUnit XML `file`")
	f.Var(&limit, "memory", "most `memory` that a case may take")
	names, err := e.parse(f, args)
	if err != nil {
		return err
	}
	if h.opts.Cases < 1 {
		return fmt.Errorf("--cases %d: want at least 1", h.opts.Cases)
	}
	h.opts.Limit = int64(limit)
	h.opts.Seed = *seed
	if *seed == 0 {
		h.opts.Seed = rand.Uint64()>>32 | 1
	}
	list, scenarios, err := selectTargets(names, *devices)
	if err != nil {
		return err
	}
	if h.json {
		h.event(map[string]any{"event": "start", "seed": h.opts.Seed, "targets": len(list)})
	} else {
		fmt.Fprintf(e.stdout, "seed %d, %d targets, %d cases each\n", h.opts.Seed, len(list), h.opts.Cases)
	}
	for i, t := range list {
		if *total > 0 {
			left := *total - time.Since(h.start)
			h.opts.Time = max(time.Millisecond, left/time.Duration(len(list)-i))
		}
		if err := h.target(t, i, len(list)); err != nil {
			return err
		}
		if e.ctx.Err() != nil {
			break
		}
	}
	for _, s := range scenarios {
		if err := h.scenario(s, *devices); err != nil {
			return err
		}
	}
	return h.end(*junit)
}

// selectTargets turns names, patterns and scenarios into targets.
func selectTargets(names []string, devices string) ([]impls.Target, []props.Scenario, error) {
	var want []string
	if devices != "" {
		want = strings.Split(devices, ",")
		for _, d := range want {
			if !slices.Contains(impls.Devices, d) {
				return nil, nil, fmt.Errorf("--device %s: %w; this build has %s", d, errMissing, strings.Join(impls.Devices, " and "))
			}
		}
	}
	var scenarios []props.Scenario
	var patterns []string
	for _, n := range names {
		if i := slices.IndexFunc(props.Scenarios, func(s props.Scenario) bool { return s.Name == n }); i >= 0 {
			scenarios = append(scenarios, props.Scenarios[i])
		} else {
			patterns = append(patterns, n)
		}
	}
	if len(names) == 0 {
		patterns = []string{"*/*/*"}
	}
	var list []impls.Target
	for _, p := range patterns {
		found := false
		for _, t := range impls.Targets() {
			ok, err := path.Match(p, t.String())
			if err != nil {
				return nil, nil, fmt.Errorf("target %q: %w", p, err)
			}
			found = found || ok
			if ok && (want == nil || slices.Contains(want, t.Device)) && !slices.Contains(list, t) {
				list = append(list, t)
			}
		}
		if !found {
			return nil, nil, fmt.Errorf("no target is called %q; slidefuzz targets lists them", p)
		}
	}
	return list, scenarios, nil
}

// target hunts in one target and prints its line.
func (h *hunter) target(t impls.Target, i, n int) error {
	o := h.opts
	o.Progress = func(done int) {
		if h.terminal && time.Since(h.status) > 100*time.Millisecond {
			h.status = time.Now()
			fmt.Fprintf(h.stderr, "\r\x1b[K%d/%d %s: case %d", i+1, n, t, done)
		}
	}
	r, err := props.Hunt(h.ctx, t, o)
	h.clearStatus()
	if err != nil {
		return err
	}
	for k, f := range r.Findings {
		if err := h.finding(f, k+1); err != nil {
			return err
		}
	}
	result := "ok"
	smallest := ""
	switch {
	case len(r.Findings) > 0 && t.Sound():
		result = "DIVERGED"
	case len(r.Findings) > 0:
		result = "caught"
	case r.Unexpected() != "":
		result = "NOT CAUGHT"
	case !t.Sound():
		result = "not seen"
	}
	word := result
	if len(r.Findings) > 0 {
		f := r.Findings[0]
		word += fmt.Sprintf(" at case %d", f.At)
		smallest = describe(f)
	}
	if r.Interrupted {
		word += ", interrupted"
	}
	h.done(t.String(), t.Sound(), r.Cases, r.Elapsed, result, word, smallest, r.Unexpected())
	return nil
}

// done prints the line of a target.
func (h *hunter) done(name string, sound bool, cases int, took time.Duration, result, word, smallest, unexpected string) {
	if unexpected != "" {
		h.bad++
	}
	h.suite = append(h.suite, junitCase{Name: name, Class: "slidefuzz", Seconds: took.Seconds(), failure: unexpected, detail: smallest})
	if h.json {
		short := map[string]string{"ok": "ok", "caught": "caught", "NOT CAUGHT": "missed", "not seen": "missed", "DIVERGED": "diverged"}
		h.event(map[string]any{"event": "target", "target": name, "sound": sound, "cases": cases, "seconds": took.Seconds(), "result": short[result]})
		return
	}
	line := fmt.Sprintf("%-38s %6d cases  %-20s %s", name, cases, word, smallest)
	fmt.Fprintln(h.stdout, strings.TrimRight(line, " "))
}

// describe is the smallest case of a finding in a few words.
func describe(f props.Finding) string {
	c := f.Small
	var s string
	if p, ok := c.TheProgram(); ok && len(p.Stmts) > 0 {
		s = fmt.Sprintf("%s, %d rows", p.Stmts[0], p.Buffers[0].Rows)
		if len(p.Stmts) > 1 {
			s = fmt.Sprintf("%d statements on %d rows", len(p.Stmts), p.Buffers[0].Rows)
		}
	} else {
		ops := make([]string, len(c.Ops))
		for i, o := range c.Ops {
			ops[i] = o.String()
		}
		if len(ops) > 4 {
			ops = append(ops[:3], fmt.Sprintf("… %d more", len(ops)-3))
		}
		s = fmt.Sprintf("W=%d: %s", c.Shape.Window, strings.Join(ops, ", "))
	}
	s += fmt.Sprintf("; %d lanes, dim %d, block %d, %s", c.Shape.Lanes(), c.Shape.Dim, c.Block, c.Schedule)
	switch {
	case f.Stats.Minimal:
		s += " (proven smallest)"
	case f.Stats.Bounded:
		s += " (not shrunk to the end)"
	}
	return s
}

// finding writes the report folder of one failure.
func (h *hunter) finding(f props.Finding, k int) error {
	name := strings.ReplaceAll(f.Small.Target.String(), "/", "_")
	file := ""
	if h.out != "" {
		dir := filepath.Join(h.out, fmt.Sprintf("%s-%d", name, k))
		if err := (corpus.Report{Case: f.Small, Divergence: f.Divergence, Versions: versions()}).WriteDir(dir); err != nil {
			return err
		}
		file = filepath.Join(dir, "case.txt")
	}
	if h.json {
		d := f.Divergence
		h.event(map[string]any{
			"event": "finding", "target": f.Small.Target.String(), "case": f.At, "op": d.Op, "tensor": d.Tensor,
			"fault": d.Fault, "hazard": d.Kind().String(), "text": d.String(), "file": file, "minimal": f.Stats.Minimal,
		})
	}
	return nil
}

// scenario runs the cases of a scenario as they are.
func (h *hunter) scenario(s props.Scenario, devices string) error {
	r := props.NewRunner()
	r.Limit = max(s.Limit, h.opts.Limit)
	for _, c := range s.Cases() {
		if devices != "" && !slices.Contains(strings.Split(devices, ","), c.Target.Device) {
			continue
		}
		if h.ctx.Err() != nil {
			return nil
		}
		start := time.Now()
		d, err := r.Run(c)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		result, unexpected, text := "ok", "", ""
		sound := c.Target.Sound()
		switch {
		case d != nil && sound:
			result, unexpected = "DIVERGED", "a sound target diverged"
		case d != nil:
			result = "caught"
		case !sound && c.Target.Device == "host":
			result = "not seen"
		case !sound:
			result, unexpected = "NOT CAUGHT", "a known-bad target was not caught"
		}
		if d != nil {
			text = d.String()
			c.Expect = d.Expect()
			if err := h.finding(props.Finding{Found: c, Small: c, Divergence: d, At: 1}, 1); err != nil {
				return err
			}
		}
		h.done(s.Name+" "+c.Target.String(), sound, 1, time.Since(start), result, result, text, unexpected)
	}
	return nil
}

// end prints the last line and decides the exit status.
func (h *hunter) end(junit string) error {
	if junit != "" {
		if err := writeJUnit(junit, h.suite); err != nil {
			return err
		}
	}
	stopped := h.ctx.Err() != nil
	took := time.Since(h.start)
	if h.json {
		h.event(map[string]any{"event": "end", "unexpected": h.bad, "interrupted": stopped, "seconds": took.Seconds()})
	} else {
		verdict := "nothing unexpected"
		if h.bad > 0 {
			verdict = fmt.Sprintf("%d targets with an unexpected result", h.bad)
		}
		if stopped {
			verdict += ", interrupted"
		}
		fmt.Fprintf(h.stdout, "%s in %.1f s\n", verdict, took.Seconds())
		if h.out != "" {
			fmt.Fprintf(h.stdout, "reports are in %s\n", h.out)
		}
	}
	if h.bad > 0 {
		return errUnexpected
	}
	return nil
}

func (h *hunter) clearStatus() {
	if h.terminal {
		fmt.Fprint(h.stderr, "\r\x1b[K")
	}
}

func (h *hunter) event(v map[string]any) {
	// A map of plain values always encodes; what can fail is the pipe, and
	// then nobody reads the answer.
	_ = json.NewEncoder(h.stdout).Encode(v)
}

// contextFor is the context of a shrink that a person waits for.
func (e *env) contextFor(limit time.Duration) (context.Context, context.CancelFunc) {
	if limit <= 0 {
		return context.WithCancel(e.ctx)
	}
	return context.WithTimeout(e.ctx, limit)
}

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/hunt"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// textPrinter is for people.
type textPrinter struct {
	w, err io.Writer
	width  int
}

func (p *textPrinter) start(o huntOptions, jobs []job) {
	for _, j := range jobs {
		p.width = max(p.width, len(j.name()))
	}
	fmt.Fprintf(p.w, "%s, seed %d%s\n", corpus.Plural(len(jobs), "target"), o.seed, o.shard.words())
}

func (p *textPrinter) target(o *outcome) {
	if o.notRun {
		return // the last line counts them
	}
	words := o.words()
	if left := o.casesNotRun(); left != "" {
		words += "; not run: " + left
	}
	steps := ""
	if o.target.Device == window.EngineDevice {
		steps = fmt.Sprintf("%s steps  ", thousands(o.Steps.Steps))
		if o.Steps.Steps > 0 {
			words += fmt.Sprintf(" (%s undecided)", o.undecided())
		}
	}
	fmt.Fprintf(p.w, "%-*s  %6d cases  %s%s\n", p.width, o.name(), o.Cases, steps, words)
	if len(o.Met) > 0 {
		fmt.Fprintf(p.w, "  cases with %s\n", o.met())
	}
	for _, name := range slices.Sorted(maps.Keys(o.Variants)) {
		fmt.Fprintf(p.w, "  %s\n", variantText(name, o.Variants[name]))
	}
	if len(o.Counts) > 0 {
		fmt.Fprintf(p.w, "  %s\n", judge.CountsText(o.Counts))
	}
	if o.Steps.Requests > 0 {
		fmt.Fprintf(p.w, "  %s\n", o.requests())
	}
	if o.Steps.Steps > 0 {
		fmt.Fprintf(p.w, "  counts of tokens at most %.2g from whole numbers\n", o.Steps.Worst)
	}
	for _, f := range o.Findings {
		if f.Divergence.Runs != nil && !others(o.target) {
			fmt.Fprintf(p.w, "  native: %s\n", f.Divergence.Runs)
		}
	}
	if o.unexpected != "" {
		for _, f := range o.Findings {
			seen := ""
			if others(o.target) {
				seen = fmt.Sprintf("in %s, first at case %d after %s, %s: ", corpus.Plural(f.Seen, "case"), f.At, seconds(f.After), shrunkWords(&f))
			}
			fmt.Fprintf(p.w, "  %s%s\n%s\n", seen, f.Divergence, indent(f.Small.Text()))
		}
	}
	if o.err != nil && o.result() != resultError {
		fmt.Fprintf(p.w, "  ERROR: %v\n", o.err)
	}
	for _, line := range o.warnings() {
		fmt.Fprintf(p.w, "  %s\n", line)
	}
	for _, dir := range o.dirs() {
		fmt.Fprintf(p.w, "  report: %s\n", dir)
	}
}

// others reports whether a target is somebody else's program, whose findings are told
// with what it took to find them.
func others(t window.Target) bool {
	return t.Device == window.Worker || t.Device == window.EngineDevice
}

// undecided is the share of steps that are, in words.
func (o *outcome) undecided() string {
	share := 0.
	if o.Steps.Steps > 0 {
		share = 100 * float64(o.Steps.Undecided) / float64(o.Steps.Steps)
	}
	return fmt.Sprintf("%.1f %%", share)
}

// thousands is a number with commas, as in 31,000.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// variantText is what came of a variant of a worker that runs programs, and how fast.
func variantText(name string, v hunt.Variant) string {
	s := variantCounts(name, v)
	if v.Running > 0 {
		s += ", " + perSecond(float64(v.Cases)/v.Running.Seconds())
	}
	return s
}

// variantCounts is variantText without the time.
func variantCounts(name string, v hunt.Variant) string {
	var b strings.Builder
	if name != "" {
		fmt.Fprintf(&b, "variant %s: ", name)
	}
	fmt.Fprintf(&b, "%s, %d wrong", corpus.Plural(v.Cases, "program"), v.Wrong)
	if v.Among > 0 {
		fmt.Fprintf(&b, ", %d wrong only among others", v.Among)
	}
	if v.Skipped > 0 {
		fmt.Fprintf(&b, ", %d skipped by a documented limit", v.Skipped)
	}
	return b.String()
}

// shrunkWords says how long a finding was shrunk, and whether that came to its end: it may
// be cut short by the time, or be left as it was found.
func shrunkWords(f *hunt.Finding) string {
	if f.Stats.Bounded {
		return "not shrunk to its end in " + seconds(f.Shrinking)
	}
	return "shrunk in " + seconds(f.Shrinking)
}

// unfinished is what a report says of a finding in somebody else's program that was not
// shrunk to its end, empty of any other: a race of ours that is left as it was found is no
// case of that.
func unfinished(f *hunt.Finding) string {
	if !f.Stats.Bounded || !others(f.Small.Target) {
		return ""
	}
	return shrunkWords(f)
}

// perSecond is a rate in three digits, or as many as it has before the point.
func perSecond(n float64) string {
	if n >= 1000 {
		return fmt.Sprintf("%.0f a second", n)
	}
	return fmt.Sprintf("%.3g a second", n)
}

// casesNotRun is how many cases of a target that could not be judged were not
// run, and why; empty where it was judged.
func (o *outcome) casesNotRun() string {
	if o.Ended == "" || o.bound > 0 && o.Cases >= o.bound {
		return ""
	}
	left := "the rest"
	if o.bound > 0 {
		left = strconv.Itoa(o.bound - o.Cases)
	}
	return left + ", for " + o.Ended
}

// met counts the cases with each feature, in words.
func (o *outcome) met() string {
	var all []string
	features := corpus.Features()
	if o.target.Device == window.EngineDevice {
		features = corpus.EngineFeatures()
	}
	for _, f := range features {
		if n := o.Met[f]; n > 0 {
			all = append(all, fmt.Sprintf("%s: %d", f, n))
		}
	}
	return strings.Join(all, ", ")
}

func (p *textPrinter) end(all []*outcome, end huntEnd) {
	var verdict []string
	if end.Errors > 0 {
		verdict = append(verdict, corpus.Plural(end.Errors, "error"))
	}
	if end.Unexpected > 0 {
		verdict = append(verdict, fmt.Sprintf("%d unexpected: %s", end.Unexpected, unexpectedNames(all)))
	}
	left := cmp.Or(end.left, resultInterrupted)
	switch nothing := len(verdict) == 0; {
	case nothing && end.Interrupted:
		verdict = append(verdict, left+", nothing unexpected so far")
	case end.Interrupted:
		verdict = append(verdict, left)
	case nothing:
		verdict = append(verdict, "nothing unexpected")
	}
	if end.NotRun > 0 {
		notRun := corpus.Plural(end.NotRun, "target") + " not run"
		if !end.Interrupted {
			notRun += ": the time was up, give more --time"
		}
		verdict = append(verdict, notRun)
	}
	if lost := end.lostJobs(); lost != "" {
		verdict = append(verdict, lost)
	}
	if retried := end.retried(); retried != "" {
		verdict = append(verdict, retried)
	}
	if end.processor.known() {
		fmt.Fprintln(p.w, end.processor.text(all))
	}
	fmt.Fprintf(p.w, "%s, %s, %s in %s: %s\n", corpus.Plural(end.Targets, "target"), corpus.Plural(end.Cases, "case"), corpus.Plural(end.Findings, "finding"), seconds(end.elapsed), strings.Join(verdict, "; "))
}

// jsonPrinter is for programs; doc.go describes the lines.
type jsonPrinter struct{ enc *json.Encoder }

// print writes a line; the sink below remembers what fails.
func (p *jsonPrinter) print(v any) { _ = p.enc.Encode(v) }

type startEvent struct {
	Event   string  `json:"event"`
	Version string  `json:"version"`
	Seed    uint64  `json:"seed"`
	Targets int     `json:"targets"`
	Cases   int     `json:"cases,omitempty"`
	Time    float64 `json:"time,omitempty"`
	Shard   string  `json:"shard,omitempty"`
}

func (p *jsonPrinter) start(o huntOptions, jobs []job) {
	p.print(startEvent{"start", versions()[0], o.seed, len(jobs), o.cases, o.time.Seconds(), o.shard.name()})
}

type findingEvent struct {
	Event      string `json:"event"`
	Target     string `json:"target"`
	Scenario   string `json:"scenario,omitempty"`
	At         int    `json:"at"`
	Seen       int    `json:"seen"`
	Divergence string `json:"divergence"`
	Op         int    `json:"op"`
	Tensor     string `json:"tensor"`
	Fault      string `json:"fault"`
	Hazard     string `json:"hazard"`
	Case       string `json:"case"`
	Minimal    bool   `json:"minimal"`
	Unfinished bool   `json:"unfinished,omitempty"`
	Runs       int    `json:"runs"`
	// In seconds.
	After     float64 `json:"after"`
	Shrinking float64 `json:"shrinking"`
	Report    string  `json:"report,omitempty"`
}

func newFindingEvent(o *outcome, f hunt.Finding) findingEvent {
	d := f.Divergence
	return findingEvent{
		Event: "finding", Target: o.target.String(), Scenario: o.scenarioName(), At: f.At, Seen: f.Seen,
		Divergence: d.String(), Op: d.Op, Tensor: d.Tensor, Fault: string(d.Fault), Hazard: d.Kind().String(),
		Case: string(f.Small.Text()), Minimal: f.Stats.Minimal, Unfinished: unfinished(&f) != "", Runs: f.Stats.Runs,
		After: f.After.Seconds(), Shrinking: f.Shrinking.Seconds(),
	}
}

func (j job) scenarioName() string {
	if j.scenario == nil {
		return ""
	}
	return j.scenario.Name
}

type targetEvent struct {
	Event      string  `json:"event"`
	Target     string  `json:"target"`
	Scenario   string  `json:"scenario,omitempty"`
	Sound      bool    `json:"sound"`
	Result     string  `json:"result"`
	Cases      int     `json:"cases"`
	Findings   int     `json:"findings"`
	Elapsed    float64 `json:"elapsed"`
	Unexpected string  `json:"unexpected,omitempty"`
	Error      string  `json:"error,omitempty"`

	Met        map[corpus.Feature]int `json:"met,omitempty"`
	Operations map[string]operations  `json:"operations,omitempty"`
	Variants   map[string]variant     `json:"variants,omitempty"`
	// Of an engine: forwards whose logits were judged, those of them that could not be
	// decided, and how far from whole numbers the counts of the others were at most.
	Steps     int     `json:"steps,omitempty"`
	Undecided int     `json:"undecided,omitempty"`
	Worst     float64 `json:"worst,omitempty"`
	// Requests is messages to the engine, Running how many seconds the cases ran, Waited
	// those of them in which the engine worked.
	Requests int     `json:"requests,omitempty"`
	Running  float64 `json:"running,omitempty"`
	Waited   float64 `json:"waited,omitempty"`
	NotRun   int     `json:"not_run,omitempty"`
	Ended    string  `json:"ended,omitempty"`

	LostJobs []string `json:"lost_jobs,omitempty"`
}

// variant is of a worker that runs programs; Elapsed is how many seconds they ran.
type variant struct {
	Cases   int     `json:"cases"`
	Wrong   int     `json:"wrong"`
	Among   int     `json:"wrong_among_others"`
	Skipped int     `json:"skipped"`
	Elapsed float64 `json:"elapsed"`
}

type operations struct {
	Accepted int `json:"accepted"`
	Refused  int `json:"refused"`
}

func (p *jsonPrinter) target(o *outcome) {
	for i, f := range o.Findings {
		v := newFindingEvent(o, f)
		if i < len(o.reports) {
			v.Report = o.reports[i]
		}
		p.print(v)
	}
	v := targetEvent{
		Event: "target", Target: o.target.String(), Scenario: o.scenarioName(), Sound: o.target.Sound(), Result: o.result(),
		Cases: o.Cases, Findings: len(o.Findings), Elapsed: o.Elapsed.Seconds(), Unexpected: o.unexpected, Met: o.Met, Ended: o.Ended,
		Steps: o.Steps.Steps, Undecided: o.Steps.Undecided, Worst: o.Steps.Worst,
		Requests: o.Steps.Requests, Running: o.Steps.Running.Seconds(), Waited: o.Steps.Waited.Seconds(),
		NotRun: o.notRunCases(),
	}
	for _, l := range o.LostJobs {
		v.LostJobs = append(v.LostJobs, l.String())
	}
	for name, n := range o.Counts {
		if v.Operations == nil {
			v.Operations = map[string]operations{}
		}
		v.Operations[name] = operations{n.Accepted, n.Refused}
	}
	for name, x := range o.Variants {
		if v.Variants == nil {
			v.Variants = map[string]variant{}
		}
		v.Variants[name] = variant{x.Cases, x.Wrong, x.Among, x.Skipped, x.Running.Seconds()}
	}
	if o.err != nil {
		v.Error = o.err.Error()
	}
	p.print(v)
}

type endEvent struct {
	Event       string `json:"event"`
	Targets     int    `json:"targets"`
	Cases       int    `json:"cases"`
	Findings    int    `json:"findings"`
	Unexpected  int    `json:"unexpected"`
	NotRun      int    `json:"not_run"` // targets
	CasesNotRun int    `json:"cases_not_run,omitempty"`
	LostJobs    int    `json:"lost_jobs,omitempty"`
	// Retries is starts of a worker that failed and were tried again, RetriesElapsed how many
	// seconds that took.
	Retries        int     `json:"start_retries,omitempty"`
	RetriesElapsed float64 `json:"start_retries_elapsed,omitempty"`
	Errors         int     `json:"errors"`
	Error          string  `json:"error,omitempty"`
	Interrupted    bool    `json:"interrupted"`
	Elapsed        float64 `json:"elapsed"`
	Exit           int     `json:"exit"`
	// Processor is the processor time of slidefuzz in seconds, Engine that of an engine in
	// another process.
	Processor float64 `json:"processor,omitempty"`
	Engine    float64 `json:"engine_processor,omitempty"`
}

func (p *jsonPrinter) end(_ []*outcome, end huntEnd) {
	v := endEvent{
		Event: "end", Targets: end.Targets, Cases: end.Cases, Findings: end.Findings, Unexpected: end.Unexpected,
		NotRun: end.NotRun, CasesNotRun: end.CasesNotRun, LostJobs: end.LostJobs, Errors: end.Errors,
		Retries: end.retries.Starts, RetriesElapsed: end.retries.Took.Seconds(),
		Interrupted: end.Interrupted, Elapsed: end.elapsed.Seconds(), Exit: end.status,
		Processor: end.processor.own.Seconds(), Engine: end.processor.engine.Seconds(),
	}
	if end.err != nil {
		v.Error = end.err.Error()
	}
	p.print(v)
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/hunt"
	"github.com/slidefuzz/slidefuzz/props/run"
	"github.com/slidefuzz/slidefuzz/props/run/worker"
)

var huntCommand = command{
	name:  "hunt",
	args:  "[TARGET …]",
	about: "run random cases of targets, shrink what is found",
	long: `
Runs random cases of each target against the oracle and shrinks what diverges.
A TARGET is a name as slidefuzz targets lists it, a pattern such as roll/*/sim,
*/drop-war/* or go/*, the first word of some (roll stands for roll/*/*), or a
scenario, such as issue-159855, whose cases are run instead of random ones and
not shrunk. Default: every built-in target. OpenCL and CUDA devices take part
where --device or the TARGET names them.

With --exec the hunt is in a worker, anyone's cache in a process of its own: see
slidefuzz help worker, and docs/workers.md. With --engine it is in an inference
engine, and so with --exec where the worker has one: see docs/engines.md.

A sound target must agree, a known-bad one must be caught; but a race on a
device that orders the blocks itself (host, cuda-graph) need not show. The same
seed gives the same cases. Ctrl-C ends the hunt with what was found. A terminal
shows how far the hunt is in one line of standard error.`,
	flags: huntFlags,
}

type huntOptions struct {
	devices  *devicesFlag
	memory   *sizeFlag
	worker   *workerFlags
	shape    shapeFlag
	without  featuresFlag
	shrink   *time.Duration
	shard    shardFlag
	record   *record // of a shard
	backends *run.Backends
	seed     uint64
	cases    int
	steps    int // of an engine, 0 for no bound
	caught   int // cases of a known-bad target, whose hunt ends once it is caught
	parallel int // targets at once
	workers  int // of one target at once
	time     time.Duration
	out      string
	junit    string
	json     bool

	exhaustive bool
}

func huntFlags(fs *flag.FlagSet) action {
	o := huntOptions{devices: deviceFlag(fs, "only targets on these devices: a comma-separated `LIST`"), memory: memoryFlag(fs), worker: execFlags(fs), shrink: shrinkTimeFlag(fs)}
	fs.Uint64Var(&o.seed, "seed", 0, "`N` decides the cases (default: another each time, printed)")
	fs.IntVar(&o.cases, "cases", 2000, "at most `N` cases a target, fewer of a known-bad one: it is done once it is caught (default 2000, 20000 of a known-bad one; with --time no bound)")
	fs.DurationVar(&o.time, "time", 0, "at most `DURATION` in all, as 90s or 10m, shared evenly; shrinking comes on top")
	fs.IntVar(&o.parallel, "jobs", min(runtime.GOMAXPROCS(0), maxJobs), "`N` targets of sim and go at once, and in one target N workers (default: a core each, at most 8; with --time 1 target); what is found is the same")
	fs.IntVar(&o.steps, "steps", 0, "end a hunt in an engine after `N` steps, forwards whose logits were judged (then --cases has no bound unless it is given)")
	o.worker.engine.addHunt(fs)
	fs.BoolVar(&o.exhaustive, "exhaustive", false, "run every case within bounds instead of random ones")
	fs.Var(&o.shape, "shape", "fix some of a worker's `SHAPE`, as in batch=2,heads=4,window=64,dim=8,dtype=F32; the rest is drawn")
	fs.Var(&o.without, "without", "leave a comma-separated `LIST` out of a worker's cases: "+featureNames)
	fs.StringVar(&o.out, "o", "", "write a report folder for each finding under `DIR`, and DIR/index.html")
	fs.StringVar(&o.out, "out", "", "") // as -o was called before
	fs.Var(&o.shard, "shard", "run part `I/N` of the cases, from 1/N to N/N, for slidefuzz merge; env, env/N: the part that Kubernetes, Slurm or "+shardIndexEnv+" says")
	fs.StringVar(&o.junit, "junit", "", "write the results to `FILE` as JUnit XML")
	fs.BoolVar(&o.json, "json", false, "print one object a line; go doc of this command lists the fields")
	return func(ctx context.Context, e *env, args []string) (int, error) {
		if !isSet(fs, "seed") {
			o.seed = uint64(rand.Uint32())
		}
		if o.caught = o.cases; !isSet(fs, "cases") {
			o.caught = untilCaught
		}
		switch {
		case o.cases < 1:
			return 0, fmt.Errorf("--cases %d: want at least 1", o.cases)
		case isSet(fs, "time") && o.time <= 0:
			return 0, fmt.Errorf("--time %s: want more than nothing", o.time)
		case o.parallel < 1:
			return 0, fmt.Errorf("--jobs %d: want at least 1", o.parallel)
		case isSet(fs, "steps") && o.steps < 1:
			return 0, fmt.Errorf("--steps %d: want at least 1", o.steps)
		case (o.time > 0 || o.steps > 0) && !isSet(fs, "cases"):
			o.cases = 0
		}
		if o.workers = o.parallel; o.time > 0 && !isSet(fs, "jobs") {
			o.parallel = 1
		}
		if err := o.checkShard(fs); err != nil {
			return 0, err
		}
		if o.exhaustive {
			for _, name := range []string{"shard", "seed", "cases", "time", "o", "out", "junit", "json", "exec", "engine", "steps"} {
				if isSet(fs, name) {
					return 0, fmt.Errorf("--exhaustive and --%s do not go together: it runs every case within its bounds once, and prints what came of it", name)
				}
			}
			return o.exhaust(ctx, e, args)
		}
		return o.run(ctx, e, args)
	}
}

// maxJobs bounds the targets that are hunted at once where nobody says: what a hunt
// remembers takes some hundred MiB for each.
const maxJobs = 8

// untilCaught bounds the cases of a known-bad target: one that takes more is not
// caught.
const untilCaught = 20000

// job is one line of a hunt: random cases of a target, or those of a scenario
// that are the target's.
type job struct {
	target   window.Target
	scenario *corpus.Scenario
	cases    []*corpus.Case
}

func (j job) name() string {
	if j.scenario != nil {
		return j.scenario.Name + " " + j.target.String()
	}
	return j.target.String()
}

// plan makes the jobs of the targets asked for, each once, in that order. A word
// that was taken for a pattern is told to say.
func plan(words []string, devices *devicesFlag, say io.Writer) ([]job, error) {
	if err := devices.check(); err != nil {
		return nil, err
	}
	var jobs []job
	seen := map[string]bool{}
	add := func(j job, named bool) {
		if devices.has(j.target.Device, named) && !seen[j.name()] {
			seen[j.name()] = true
			jobs = append(jobs, j)
		}
	}
	if len(words) == 0 {
		words = []string{"*/*/*", window.Go + "/*"}
	}
	for _, w := range words {
		if i := slices.IndexFunc(corpus.Scenarios(), func(s corpus.Scenario) bool { return s.Name == w }); i >= 0 {
			for _, j := range scenarioJobs(&corpus.Scenarios()[i]) {
				add(j, false)
			}
			continue
		}
		targets, taken, err := match(w)
		if err != nil {
			return nil, err
		}
		if taken != w {
			fmt.Fprintf(say, "slidefuzz: %s means %s\n", w, taken)
		}
		for _, t := range targets {
			if u, ok := window.LookupUpdate(t.Update); ok && u.Harmful() && !strings.HasPrefix(taken, t.Update+"/") {
				continue // only by its own name
			}
			add(job{target: t}, deviceOf(taken) == t.Device)
		}
	}
	if len(jobs) == 0 {
		return nil, fmt.Errorf("--device %s leaves no target of those named", devices)
	}
	return jobs, nil
}

// allTargets are those of every device.
func allTargets() (all []window.Target) {
	for _, device := range window.Devices() {
		all = append(all, window.TargetsOn(device)...)
		all = append(all, window.Harmful(device)...)
	}
	return all
}

// match finds the built-in targets of a name or pattern, and says which pattern it
// was taken for: roll is roll/*/*, ring is go/ring.
func match(word string) (found []window.Target, taken string, err error) {
	all := allTargets()
	for _, taken := range []string{word, word + "/*", word + "/*/*", window.Go + "/" + word} {
		for _, t := range all {
			ok, err := path.Match(taken, t.String())
			if err != nil {
				return nil, "", fmt.Errorf("target %q: bad pattern; want one like roll/*/sim", word)
			}
			if ok {
				found = append(found, t)
			}
		}
		if len(found) > 0 {
			return found, taken, nil
		}
	}
	return nil, "", fmt.Errorf("no target matches %q%s; want update/lowering/device, as in roll/*/sim, a cache as in go/*, or a scenario; slidefuzz targets lists them",
		word, didYouMean(word, targetNames()))
}

// targetNames are the words by which a hunt finds built-in targets: their names,
// the updates and caches alone, and scenarios.
func targetNames() (names []string) {
	for _, t := range allTargets() {
		if !slices.Contains(names, t.Update) {
			names = append(names, t.Update)
		}
		names = append(names, t.String())
	}
	for _, s := range corpus.Scenarios() {
		names = append(names, s.Name)
	}
	return names
}

// scenarioJobs groups the cases of a scenario by target.
func scenarioJobs(s *corpus.Scenario) []job {
	var jobs []job
	at := map[window.Target]int{}
	for _, c := range s.Cases() {
		i, ok := at[c.Target]
		if !ok {
			i = len(jobs)
			at[c.Target] = i
			jobs = append(jobs, job{target: c.Target, scenario: s})
		}
		jobs[i].cases = append(jobs[i].cases, c)
	}
	return jobs
}

// The results of a target.
const (
	resultOK          = "ok"
	resultCaught      = "caught"
	resultNotCaught   = "not caught"
	resultDiverged    = "diverged"
	resultUnseen      = "nothing seen"
	resultInterrupted = "interrupted"
	resultNotRun      = "not run"
	resultUndecided   = "undecided"
	resultError       = "error"
)

// outcome is what a job came to.
type outcome struct {
	job
	hunt.Result
	unexpected string   // why the exit status is 1
	reports    []string // the folder of each finding, where there are any
	notRun     bool
	bound      int // cases that were asked for, 0 without a number
	err        error
}

func (o *outcome) result() string {
	found, sound := len(o.Findings) > 0, o.target.Sound()
	switch {
	case o.err != nil && o.unexpected == "":
		return resultError
	case o.notRun:
		return resultNotRun
	case sound && found:
		return resultDiverged
	case o.Ended != "" && !found:
		return resultNotRun
	case sound && o.Undecided():
		return resultUndecided
	case o.unexpected != "":
		return resultNotCaught
	case found:
		return resultCaught
	case o.Interrupted:
		return resultInterrupted
	case sound:
		return resultOK
	}
	return resultUnseen
}

// smallest is the smallest finding, nil without one.
func (o *outcome) smallest() *hunt.Finding {
	var best *hunt.Finding
	for i := range o.Findings {
		if f := &o.Findings[i]; best == nil || corpus.Compare(f.Small, best.Small) < 0 {
			best = f
		}
	}
	return best
}

// jobs makes the jobs of the command line, and starts the devices or the worker
// that they need.
func (o *huntOptions) jobs(ctx context.Context, e *env, args []string) ([]job, error) {
	backend, err := o.worker.backend(ctx)
	if err != nil {
		return nil, err
	}
	o.backends = o.worker.backends(int64(*o.memory), backend)
	if b := o.worker.engine.backend; b != nil {
		if len(args) > 0 || len(*o.devices) > 0 || o.shape.FixedShape != (worker.FixedShape{}) || o.without != nil {
			return nil, errors.New("a hunt in an engine is in it alone: leave out targets, --device, --shape and --without; --window, --kind, --arch and --dtype choose its checkpoints")
		}
		return []job{{target: b.Target()}}, nil
	}
	if o.steps > 0 || o.worker.engine.given() {
		return nil, errors.New("--steps, --fault, --window, --kind, --arch and --dtype are for an engine: name it with --engine, or with --exec a worker that has one")
	}
	if backend == nil {
		if o.shape.FixedShape != (worker.FixedShape{}) || o.without != nil {
			return nil, errors.New("--shape and --without are for a worker: name it with --exec")
		}
		jobs, err := plan(args, o.devices, e.err)
		if err != nil {
			return nil, err
		}
		for _, j := range jobs {
			if _, err := aboutDevice(ctx, j.target.Device); err != nil {
				return nil, err
			}
		}
		return jobs, nil
	}
	if len(args) > 0 || len(*o.devices) > 0 {
		return nil, errors.New("--exec hunts in the worker alone: leave out targets and --device")
	}
	backend.Shape, backend.Without = o.shape.FixedShape, o.without
	return []job{{target: backend.Target()}}, nil
}

func (o huntOptions) run(ctx context.Context, e *env, args []string) (int, error) {
	jobs, err := o.jobs(ctx, e, args)
	if err != nil {
		return 0, err
	}
	defer o.worker.kill()
	to := reporter{client: o.worker.client, flags: o.worker}
	if err := o.checkOutput(); err != nil {
		return 0, err
	}
	p := o.printer(e)
	if o.shard.Of > 0 {
		if o.record, err = newRecord(o.out, o.recordHead(ctx, jobs)); err != nil {
			return 0, fmt.Errorf("-o: %w", err)
		}
	}
	start := time.Now()
	live := newLiveLine(e.err)
	defer live.stop()
	far := &progress{time: o.time, jobs: len(jobs)}
	p.start(o, jobs)
	var all []*outcome
	ahead := o.ahead(ctx, jobs, start)
	for i, j := range jobs {
		far.begin(i, j.name(), o.bound(j))
		live.show(func() string { return far.line(time.Since(start)) })
		var out *outcome
		if ahead[i] != nil {
			out = <-ahead[i]
		} else {
			out = o.one(ctx, o.backends, j, i, len(jobs)-i, start, far.ran)
		}
		far.end(out.Cases, len(out.Findings))
		live.clear()
		o.record.target(i, out)
		if o.record != nil {
			to.keep = func(k *keptReport) { o.record.report(i, k) }
		}
		if o.out != "" {
			for _, f := range out.Findings {
				dir, err := to.write(ctx, o.out, f.Small, f.Divergence)
				out.err = errors.Join(out.err, err)
				out.reports = append(out.reports, dir)
			}
		}
		all = append(all, out)
		p.target(out)
	}
	end := summarize(all, ctx.Err() != nil, time.Since(start))
	if err := o.record.close(end.elapsed, end.Interrupted); err != nil {
		e.complain(fmt.Errorf("hunt: -o: %w", err))
		end.status = worse(end.status, exitUsage)
	}
	o.conclude(e, "hunt", all, &end)
	if s, ended := endedBy(ctx); ended {
		end.status = s
	}
	p.end(all, end)
	return end.status, nil
}

// printer is how the hunt is told.
func (o *huntOptions) printer(e *env) printer {
	if !o.json {
		return &textPrinter{w: e.out, err: e.err}
	}
	enc := json.NewEncoder(e.out)
	enc.SetEscapeHTML(false)
	return &jsonPrinter{enc}
}

// conclude writes the index page and the results as JUnit XML, where they are asked
// for.
func (o *huntOptions) conclude(e *env, command string, all []*outcome, end *huntEnd) {
	if o.out != "" {
		if err := o.writeIndex(all, *end); err != nil {
			e.complain(fmt.Errorf("%s: -o: %w", command, err))
			end.status = worse(end.status, exitUsage)
		}
	}
	if o.junit != "" {
		if err := writeJUnit(o.junit, o.seed, all, *end); err != nil {
			e.complain(fmt.Errorf("%s: --junit: %w", command, err))
			end.status = worse(end.status, exitUsage)
		}
	}
}

// bound is how many cases a job has at most, 0 without a number.
func (o huntOptions) bound(j job) int {
	if j.scenario != nil {
		return len(j.cases)
	}
	return hunt.Options{Cases: o.cases, UntilCaught: o.caught}.Bound(j.target)
}

// ahead runs the jobs that need nothing but a core, several at once and each in its
// turn. What a job came to is received from its channel, which is nil for those that
// are left to the caller.
func (o huntOptions) ahead(ctx context.Context, jobs []job, start time.Time) []chan *outcome {
	all := make([]chan *outcome, len(jobs))
	var next []int
	for i, j := range jobs {
		if (j.target.Device == "sim" || j.target.Device == window.Go) && j.scenario == nil {
			next = append(next, i)
		}
	}
	if o.parallel == 1 || len(next) < 2 {
		return all
	}
	for _, i := range next {
		all[i] = make(chan *outcome, 1)
	}
	o.inTurn(next, func(on *run.Backends, i int) {
		all[i] <- o.one(ctx, on, jobs[i], i, (len(jobs)-i+o.parallel-1)/o.parallel, start, nil)
	})
	return all
}

// inTurn calls do with each number, in their order, on as many goroutines as --jobs
// says. Each has backends of its own: two cannot share them.
func (o huntOptions) inTurn(numbers []int, do func(on *run.Backends, i int)) {
	turn := make(chan int, len(numbers))
	for _, i := range numbers {
		turn <- i
	}
	close(turn)
	for range min(o.parallel, len(numbers)) {
		go func() {
			backends := run.Local()
			backends.Limit = o.backends.Limit
			for i := range turn {
				do(backends, i)
			}
		}()
	}
}

// one runs a job, the one with this index, on backends; left is the number of jobs not
// done, this one included.
func (o huntOptions) one(ctx context.Context, on *run.Backends, j job, index, left int, start time.Time, progress func(int)) *outcome {
	out := &outcome{job: j}
	out.Target, out.Seed, out.bound = j.target, o.seed, o.bound(j)
	slice := time.Duration(0)
	if o.time > 0 {
		// A share of nothing would be no bound.
		if slice = (o.time - time.Since(start)) / time.Duration(left); slice <= 0 {
			out.notRun = true
			return out
		}
	}
	if ctx.Err() != nil {
		out.notRun = true
		return out
	}
	options := hunt.Options{Seed: o.seed, Cases: o.cases, UntilCaught: o.caught, Time: slice, Progress: o.record.progress(index, progress), ShrinkTime: *o.shrink, Jobs: o.workers, Steps: o.steps, Shard: o.shard.Shard, Note: o.record.notes(index)}
	var r hunt.Result
	var err error
	if j.scenario != nil {
		backends := *on
		backends.Limit = cmp.Or(backends.Limit, j.scenario.Limit)
		r, err = hunt.Scenario(ctx, &backends, j.target, j.cases, options, o.out != "")
	} else {
		r, err = hunt.Hunt(ctx, on, j.target, options)
	}
	r.Target, r.Seed = j.target, o.seed
	out.Result, out.err = r, err
	// A hunt that broke off says nothing about what it would have caught.
	if err == nil || j.target.Sound() {
		out.unexpected = r.Unexpected()
	}
	return out
}

// huntEnd is what a hunt came to.
type huntEnd struct {
	Targets     int
	Cases       int
	Findings    int
	Unexpected  int
	NotRun      int
	Errors      int
	Interrupted bool
	elapsed     time.Duration
	status      int
}

func summarize(all []*outcome, interrupted bool, elapsed time.Duration) huntEnd {
	end := huntEnd{Interrupted: interrupted, elapsed: elapsed}
	for _, o := range all {
		end.Cases += o.Cases
		end.Findings += len(o.Findings)
		switch {
		case o.notRun:
			end.NotRun++
			if !interrupted { // the time was up: nobody can say how it is
				end.status = worse(end.status, exitUnexpected)
			}
		default:
			end.Targets++
		}
		if o.unexpected != "" {
			end.Unexpected++
			end.status = worse(end.status, exitUnexpected)
		}
		if o.err != nil {
			end.Errors++
			end.status = worse(end.status, statusOf(o.err))
		}
	}
	return end
}

// printer is how a hunt is told.
type printer interface {
	start(o huntOptions, jobs []job)
	target(o *outcome)
	end(all []*outcome, end huntEnd)
}

// dirs is the reports of an outcome that were written.
func (o *outcome) dirs() []string {
	return slices.DeleteFunc(slices.Clone(o.reports), func(s string) bool { return s == "" })
}

// words is the result of an outcome in words.
func (o *outcome) words() string {
	best := o.smallest()
	switch r := o.result(); r {
	case resultCaught:
		s := fmt.Sprintf("caught at case %d", o.Findings[0].At)
		if n := len(o.Findings); n > 1 {
			s += fmt.Sprintf(" (%d failures)", n)
		}
		return s + ": " + smallWords(best)
	case resultDiverged:
		return fmt.Sprintf("DIVERGED at case %d: %s", o.Findings[0].At, smallWords(best))
	case resultNotCaught:
		return "NOT CAUGHT"
	case resultUnseen:
		return "nothing seen: its race need not show here"
	case resultError:
		return "ERROR: " + o.err.Error()
	default:
		return r
	}
}

func smallWords(f *hunt.Finding) string {
	s := inWords(f.Small)
	if f.Stats.Minimal {
		s += "; proven smallest"
	}
	return s
}

// unexpectedNames lists the targets with an unexpected result.
func unexpectedNames(all []*outcome) string {
	var names []string
	for _, o := range all {
		if o.unexpected != "" {
			names = append(names, o.name()+" ("+o.unexpected+")")
		}
	}
	return strings.Join(names, ", ")
}

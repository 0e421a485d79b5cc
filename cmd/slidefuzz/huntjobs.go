package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run/engine"
	"github.com/slidefuzz/slidefuzz/props/run/worker"
)

// job is one line of a hunt: random cases of a target, or those of a scenario
// that are the target's.
type job struct {
	target   window.Target
	scenario *corpus.Scenario
	cases    []*corpus.Case
	start    bool // of what is hunted in, which has not said what it is
}

func (j job) name() string {
	if j.start {
		return "start"
	}
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

// jobs makes the jobs of the command line, and starts the devices, the worker or the
// engine that they need.
func (o *huntOptions) jobs(ctx context.Context, e *env, args []string) ([]job, error) {
	if o.workers > 1 && (o.given || o.worker.engine.name == "") {
		o.worker.threads = max(1, runtime.GOMAXPROCS(0)/o.workers)
	}
	backend, err := o.worker.backend(ctx)
	if err != nil {
		return nil, err
	}
	o.backends = o.worker.backends(int64(*o.memory), backend)
	switch {
	case o.worker.engine.backend != nil:
		return o.engineJobs(args)
	case o.steps > 0 || o.worker.engine.given():
		return nil, errors.New("--steps, --fault, --window, --kind, --arch and --dtype are for an engine: name it with --engine, or with --exec a worker that has one")
	case backend != nil:
		return o.workerJobs(backend, args)
	}
	return o.localJobs(ctx, e, args)
}

// localJobs are those of built-in targets and of scenarios.
func (o *huntOptions) localJobs(ctx context.Context, e *env, args []string) ([]job, error) {
	if o.fixesCases() {
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

// workerJobs is the one of a worker.
func (o *huntOptions) workerJobs(backend *worker.Backend, args []string) ([]job, error) {
	if len(args) > 0 || len(*o.devices) > 0 {
		return nil, errors.New("--exec hunts in the worker alone: leave out targets and --device")
	}
	backend.Shape, backend.Without = o.shape.FixedShape, o.without
	return []job{{target: backend.Target()}}, nil
}

// engineJobs is the one of an engine.
func (o *huntOptions) engineJobs(args []string) ([]job, error) {
	if len(args) > 0 || len(*o.devices) > 0 || o.fixesCases() {
		return nil, errors.New("a hunt in an engine is in it alone: leave out targets, --device, --shape and --without; --window, --kind, --arch and --dtype choose its checkpoints")
	}
	if !o.given && o.worker.engine.name != engine.ReferenceName {
		o.workers = 1 // it may take all cores, or most of a GPU's memory
		if c := o.worker.client; c != nil && c.LimitsThreads() {
			c.Threads = 0
			c.Kill() // it starts again, with all of them
		}
	}
	return []job{{target: o.worker.engine.backend.Target()}}, nil
}

// fixesCases reports whether the command line says what a worker's cases are like.
func (o *huntOptions) fixesCases() bool {
	return o.shape.FixedShape != (worker.FixedShape{}) || o.without != nil
}

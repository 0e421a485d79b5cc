package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/report"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/hunt"
)

var mergeCommand = command{
	name:  "merge",
	args:  "DIR …",
	about: "put together what the shards of a hunt found",
	long: `
Makes one result of those of the shards of a hunt: each DIR is the -o of a hunt
--shard, or a folder of such folders. Findings that are one failure are one, counts
and times add up, and output, JUnit XML and reports are those of one hunt. Of all
shards of a hunt with a number of cases, in targets that are deterministic, they
are those of the hunt without --shard, but for the times. Of a worker of programs
with several faults that takes --exec, the worker of the shards: what the whole hunt
would have run of a wrong program is run in it, and what no shard has shrunk is
shrunk. Without it nothing is run, and one fault may be told twice, or be counted
with another.

A folder that is given twice is refused. A shard that is missing, that died or was interrupted, one that ran twice, two
versions of slidefuzz, and a folder without a hunt are told on standard error, and
what the others found is merged all the same; the smallest case of a failure is then
the one that is told. Exit status 1 if cases were not run, 2 for a folder that is
none or two versions.`,
	flags: mergeFlags,
}

func mergeFlags(fs *flag.FlagSet) action {
	o := huntOptions{worker: workerAloneFlags(fs)}
	fs.StringVar(&o.out, "o", "", "write a report folder for each finding under `DIR`, and DIR/index.html")
	fs.StringVar(&o.junit, "junit", "", "write the results to `FILE` as JUnit XML")
	fs.BoolVar(&o.json, "json", false, "print one object a line, as hunt --json does")
	return func(ctx context.Context, e *env, args []string) (int, error) {
		if len(args) == 0 {
			return 0, errors.New("want the folders of the shards")
		}
		return o.merge(ctx, e, args)
	}
}

// merging is what was read of the shards, and what is said of them.
type merging struct {
	records []*shardRecord
	status  int
	left    string // why cases were not run, in words
	say     func(format string, args ...any)
}

// merge reads the shards in folders and tells what they came to together.
func (o *huntOptions) merge(ctx context.Context, e *env, dirs []string) (int, error) {
	if err := o.checkOutput(); err != nil {
		return 0, err
	}
	m := &merging{say: func(format string, args ...any) { e.complain(fmt.Errorf("merge: "+format, args...)) }}
	for _, dir := range dirs {
		if err := m.read(dir); err != nil {
			return 0, err
		}
	}
	if len(m.records) == 0 {
		return cmp.Or(m.status, exitUsage), errors.New("nothing to merge: none of the folders has the record of a shard")
	}
	parts, whole := m.parts()
	first := m.records[0]
	o.seed, o.cases, o.caught, o.time = first.Seed, first.Cases, first.Caught, first.Time
	jobs, err := m.jobs()
	if err != nil {
		return 0, err
	}
	defer o.worker.kill()
	notStarted := false
	if err := o.mergeWorker(ctx, m, jobs, whole); err != nil {
		if _, ended := endedBy(ctx); !ended {
			return o.notStarted(ctx, e, "merge", err)
		}
		m.say("--exec: a signal ended the start of the worker: what the shards found is told, and nothing was run")
		notStarted = true
		o.worker.kill()
		o.worker.client = nil // which no report asks then
	}
	p := o.printer(e)
	p.start(*o, jobs)
	var all []*outcome
	for _, j := range jobs {
		out := o.mergeJob(ctx, j, parts, whole)
		out.left = m.left
		if whole && o.backends == nil && !notStarted && len(out.Findings) > 1 && ofPrograms(j) {
			m.say("%s: nothing was run, so that one fault may be told twice, or be counted with another; with --exec, the worker of the shards, it is as the whole hunt tells it", j.name())
		}
		if o.out != "" {
			for _, f := range out.Findings {
				dir, err := writeReport(o.out, f.Small.Target, func(path string) *report.Report { return m.report(ctx, o.worker, j, f, path) })
				out.err = errors.Join(out.err, err)
				out.reports = append(out.reports, dir)
			}
		}
		all = append(all, out)
		p.target(out)
	}
	var elapsed time.Duration
	for _, r := range parts {
		elapsed += r.elapsed()
	}
	// A worker was not asked for all, or, as the status says, cases are missing.
	cut := notStarted || o.backends != nil && ctx.Err() != nil
	end := summarize(all, cut || m.status == exitUnexpected, elapsed)
	end.left, end.jobs = m.left, 0 // of all shards together nobody says how many there were
	end.status = worse(end.status, m.status)
	end.retries = o.worker.retries()
	for _, r := range parts {
		if r.end != nil {
			end.retries.Add(r.end.Retries)
		}
	}
	o.conclude(e, "merge", all, &end)
	if s, ended := endedBy(ctx); ended && cut {
		end.status = s
	}
	p.end(all, end)
	return end.status, nil
}

// ofPrograms reports whether a job is a hunt in a worker of programs.
func ofPrograms(j job) bool {
	return j.target.IsProgram() && j.target.Device == window.Worker && j.scenario == nil
}

// mergeWorker starts the worker of the command line, if there is one and what the shards
// found takes one. It is that of the shards, or an error.
func (o *huntOptions) mergeWorker(ctx context.Context, m *merging, jobs []job, whole bool) error {
	switch {
	case o.worker.exec == "":
		return nil
	case !slices.ContainsFunc(jobs, ofPrograms):
		m.say("--exec: nothing is run, for no shard is of a worker of programs")
		return nil
	case !whole:
		m.say("--exec: nothing is run, for these are not all the shards of one hunt with a number of cases, each at its end")
		return nil
	}
	b, err := o.worker.backend(ctx)
	if err != nil {
		return err
	}
	first, about := m.records[0], "another one"
	if o.worker.client != nil {
		if h, err := o.worker.client.Hello(ctx); err == nil {
			about = aboutWorker(h)
		}
	}
	if b == nil || !strings.HasPrefix(first.About, about+" ") {
		return fmt.Errorf("--exec: want the worker of the shards, whose record says %q; this is %s", first.About, about)
	}
	b.Without = first.Without
	o.backends, o.shrink = o.worker.backends(0, b), &first.Shrink
	return nil
}

// read reads the records of a folder. One that was read before is an error: whoever gives
// a folder twice may have meant another.
func (m *merging) read(dir string) error {
	names, err := records(dir)
	if err != nil {
		m.say("%v", err)
		m.status = worse(m.status, exitUsage)
	}
	for _, name := range names {
		if i := slices.IndexFunc(m.records, func(r *shardRecord) bool { return samePath(r.path, name) }); i >= 0 {
			return fmt.Errorf("%s and %s are one record: give each folder once, and none of a folder that is given itself", m.records[i].path, name)
		}
		r, err := readRecord(name)
		if err != nil {
			m.say("%v", err)
			m.status = worse(m.status, exitUsage)
			continue
		}
		m.records = append(m.records, r)
	}
	return nil
}

func samePath(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(x, y)
}

// hunt tells the hunts apart that records are of.
func (s *shardRecord) hunt() string {
	head := s.recordHead
	head.Index, head.Versions, head.Limits, head.Shrink = 0, nil, "", 0
	data, err := json.Marshal(head)
	if err != nil {
		return err.Error() // no field of it can fail
	}
	return string(data)
}

func (s *shardRecord) shard() hunt.Shard { return hunt.Shard{Index: s.Index, Of: s.Of} }

// elapsed is how long the shard took, as far as it says.
func (s *shardRecord) elapsed() (d time.Duration) {
	if s.end != nil {
		return s.end.Elapsed
	}
	for _, j := range s.jobs {
		if j.result != nil {
			d += j.result.Elapsed
		}
	}
	return d
}

// parts are the records that count, one of each shard, and whether they are all of one
// hunt. It says what is wrong with the others.
func (m *merging) parts() (parts []*shardRecord, whole bool) {
	first := m.records[0]
	// Each shard has all the time and all the steps: without a bound of those they are
	// parts of one hunt.
	whole = first.Time == 0 && first.Steps == 0 && first.Cases > 0
	type key struct {
		hunt, version string
		index         int
	}
	counted := map[key]*shardRecord{}
	have := map[string]map[int]bool{}
	hunts := []string{}
	for _, r := range m.records {
		if r.Versions[0] != first.Versions[0] {
			m.say("%s is by %s, %s by %s: their cases may differ, so that some may have been run twice and some not at all; all that they found is told", r.path, r.Versions[0], first.path, first.Versions[0])
			m.status, whole = worse(m.status, exitUsage), false
		} else if r.hunt() != first.hunt() {
			m.say("%s is of another hunt than %s: what they found is told together, and counts add up", r.path, first.path)
			whole = false
		}
		if have[r.hunt()] == nil {
			have[r.hunt()] = map[int]bool{}
			hunts = append(hunts, r.hunt())
		}
		have[r.hunt()][r.Index] = true
		k := key{r.hunt(), r.Versions[0], r.Index}
		old := counted[k]
		if old == nil {
			counted[k] = r
			parts = append(parts, r)
			continue
		}
		if !old.whole() && r.whole() { // the better one counts
			counted[k], parts[slices.Index(parts, old)] = r, r
			r, old = old, r
		}
		m.say("shard %s ran twice: %s counts; of %s, %s", r.shard(), old.path, r.path, old.takeFrom(r))
	}
	var left []string
	for _, r := range parts {
		switch {
		case r.end == nil:
			m.say("%s: shard %s died%s: what it found is told; run it again for the rest of its cases", r.path, r.shard(), r.diedAt())
		case !r.whole():
			m.say("%s: shard %s was interrupted: what it found is told; run it again for the rest of its cases", r.path, r.shard())
		default:
			continue
		}
		left = []string{resultInterrupted}
		m.status, whole = worse(m.status, exitUnexpected), false
	}
	shards, gone := 0, 0
	for _, h := range hunts {
		of := m.records[slices.IndexFunc(m.records, func(r *shardRecord) bool { return r.hunt() == h })]
		var missing []string
		for i := range of.Of {
			if !have[h][i] {
				missing = append(missing, hunt.Shard{Index: i, Of: of.Of}.String())
			}
		}
		shards, gone = shards+of.Of, gone+len(missing)
		if len(missing) == 0 {
			continue
		}
		todo := "its cases were not run; give its folder, or run it"
		if len(missing) > 1 {
			todo = "their cases were not run; give their folders, or run them"
		}
		m.say("missing: %d of %s, %s: %s", len(missing), corpus.Plural(of.Of, "shard"), strings.Join(missing, ", "), todo)
		m.status, whole = worse(m.status, exitUnexpected), false
	}
	if gone > 0 {
		left = append(left, fmt.Sprintf("%d of %s missing", gone, corpus.Plural(shards, "shard")))
	}
	m.left = strings.Join(left, ", ")
	return parts, whole
}

// diedAt is where a shard died, in words.
func (s *shardRecord) diedAt() string {
	for i, j := range s.jobs {
		if j.result == nil {
			return " in " + s.Targets[i].name()
		}
	}
	return " at its end"
}

// takeFrom adds the cases that failed in another run of the shard alone, and says how
// many there are.
func (s *shardRecord) takeFrom(other *shardRecord) string {
	more := 0
	for i := range s.jobs {
		for _, n := range other.jobs[i].notes {
			if n.Number > 0 && !slices.ContainsFunc(s.jobs[i].notes, func(x hunt.Note) bool { return x.Number == n.Number }) {
				s.jobs[i].notes = append(s.jobs[i].notes, n)
				more++
			}
		}
		s.jobs[i].reports = append(s.jobs[i].reports, other.jobs[i].reports...)
	}
	if more == 0 {
		return "nothing is added, for it found nothing else"
	}
	return corpus.Plural(more, "case") + " that failed there alone are added"
}

func (j recordJob) name() string { return strings.TrimSpace(j.Scenario + " " + j.Target) }

// jobs are those of all records, each once.
func (m *merging) jobs() (jobs []job, err error) {
	seen := map[string]bool{}
	for _, r := range m.records {
		for _, x := range r.Targets {
			if seen[x.name()] {
				continue
			}
			seen[x.name()] = true
			j := job{}
			if j.target, err = window.ParseTarget(x.Target); err != nil {
				return nil, fmt.Errorf("%s: %w", r.path, err)
			}
			if x.Scenario != "" {
				i := slices.IndexFunc(corpus.Scenarios(), func(s corpus.Scenario) bool { return s.Name == x.Scenario })
				if i < 0 {
					return nil, fmt.Errorf("%s: no scenario %s here: it is of another version", r.path, x.Scenario)
				}
				for _, of := range scenarioJobs(&corpus.Scenarios()[i]) {
					if of.target == j.target {
						j = of
					}
				}
			}
			jobs = append(jobs, j)
		}
	}
	return jobs, nil
}

// of is what the record has of a job, nil without one.
func (s *shardRecord) of(j job) *recordedJob {
	for i, x := range s.Targets {
		if x.name() == j.name() {
			return &s.jobs[i]
		}
	}
	return nil
}

// mergeJob is what the shards came to in one job.
func (o *huntOptions) mergeJob(ctx context.Context, j job, records []*shardRecord, whole bool) *outcome {
	out := &outcome{job: j, bound: o.bound(j)}
	var parts []hunt.Part
	notRun := 0
	var failed []error
	for _, r := range records {
		x := r.of(j)
		if x == nil {
			continue
		}
		part := x.part(j.target)
		part.Result.Interrupted = part.Result.Interrupted || x.result == nil
		if e := x.result; e != nil && e.Error != "" {
			failed = append(failed, &recordedError{e.Error, e.Status})
		}
		if x.result != nil && x.result.NotRun {
			notRun++
		}
		parts = append(parts, part)
	}
	options := hunt.Options{Seed: o.seed, Cases: o.cases, UntilCaught: o.caught}
	var err error
	if j.scenario != nil {
		out.Result, err = hunt.MergeScenario(j.target, options, parts)
	} else {
		if o.shrink != nil {
			options.ShrinkTime = *o.shrink
		}
		out.Result, err = hunt.Merge(ctx, o.backends, j.target, options, parts, whole && len(failed) == 0 && notRun == 0)
	}
	out.notRun = notRun == len(parts)
	if !whole && o.time == 0 && missedCases(records) {
		out.Interrupted = true
	}
	out.err = errors.Join(append(failed, err)...)
	if out.err == nil || j.target.Sound() {
		out.unexpected = out.Unexpected()
	}
	return out
}

// missedCases reports whether shards are missing or did not come to their end.
func missedCases(records []*shardRecord) bool {
	return len(records) < records[0].Of || slices.ContainsFunc(records, func(r *shardRecord) bool { return !r.whole() })
}

// part is what a merge has to know; of a shard that died before the target's end as
// far as it had come.
func (x *recordedJob) part(t window.Target) hunt.Part {
	p := hunt.Part{Notes: x.notes}
	if x.result != nil {
		p.Result = x.result.Result
		return p
	}
	p.Result.Target = t
	for _, n := range x.notes {
		p.Result.Cases += n.Cases
	}
	p.Result.Cases = max(p.Result.Cases, x.done)
	return p
}

// recordedError is one that a shard met.
type recordedError struct {
	text   string
	status int // the exit status that it stands for
}

func (e *recordedError) Error() string { return e.text }

// report is that of a finding: as its shard wrote it where it did, for another folder.
func (m *merging) report(ctx context.Context, w *workerFlags, j job, f hunt.Finding, dir string) *report.Report {
	for _, r := range m.records {
		x := r.of(j)
		if x == nil {
			continue
		}
		for _, k := range x.reports {
			if string(k.Report.Case.Text()) == string(f.Small.Text()) {
				k.Report.Case, k.Report.Divergence, k.Report.Unfinished = f.Small, f.Divergence, unfinished(&f)
				return k.in(dir)
			}
		}
	}
	r := m.records[0]
	if w.client != nil {
		rep := reporter{client: w.client, flags: w}.report(ctx, dir, f.Small, f.Divergence, unfinished(&f))
		rep.Limits = r.Limits
		return rep
	}
	return &report.Report{Case: f.Small, Divergence: f.Divergence, Unfinished: unfinished(&f), Versions: r.Versions, ModuleVersion: moduleVersion(), Limits: r.Limits}
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/keep"
	"github.com/slidefuzz/slidefuzz/props/run"
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
engine, and so with --exec where the worker has one: see docs/engines.md. There
issue-159855 is the test of that report in transformers: --cases is how often each
update is run, -o DIR keeps its table for slidefuzz engine table.

A sound target must agree, a known-bad one must be caught; but a race on a
device that orders the blocks itself (host, cuda-graph) need not show. The same
seed gives the same cases. Ctrl-C ends the hunt with what was found. A terminal
shows how far the hunt is in one line of standard error. "First at case N after T" is
when that case was judged, in the order of the cases: with several processes it may
have run long before.

With --corpus a hunt goes on from earlier ones: what failed is run first, then what
they kept, and half of the cases after that vary one of those. The folder and the
seed decide the cases. It is not for engines, scenarios and shards; docs/machines.md has
more.`,
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
	corpus   string  // the folder that the hunt goes on from, "" for none
	folder   *keep.Folder
	backends *run.Backends
	seed     uint64
	cases    int
	steps    int  // of an engine, 0 for no bound
	caught   int  // cases of a known-bad target, whose hunt ends once it is caught
	parallel int  // targets at once
	workers  int  // of one target at once
	given    bool // --jobs
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
	durationVar(fs, &o.time, "time", "at most `DURATION` in all, as 90s or 10m, shared evenly; shrinking comes on top")
	fs.IntVar(&o.parallel, "jobs", min(runtime.GOMAXPROCS(0), maxJobs), "how much runs at once. Built-in targets: `N` of those on sim and go (default: one a core, at most 8; with --time 1). A worker: N processes of it, which share the cases and, where it heeds OMP_NUM_THREADS, the cores (default: one a core, at most 8). An engine: N of it (default 1; of the reference engine one a core, at most 8). What answers alike each time, with any number of threads, has the same findings with any N. Where one of several processes does not start, the others run its cases: a WARNING in each output says so, and the exit status tells of findings alone")
	fs.IntVar(&o.steps, "steps", 0, "end a hunt in an engine after `N` steps, forwards whose logits were judged (then --cases has no bound unless it is given)")
	o.worker.engine.addHunt(fs)
	fs.BoolVar(&o.exhaustive, "exhaustive", false, "run every case within bounds instead of random ones")
	fs.Var(&o.shape, "shape", "fix some of a worker's `SHAPE`, as in batch=2,heads=4,window=64,dim=8,dtype=F32; the rest is drawn")
	fs.Var(&o.without, "without", "leave a comma-separated `LIST` out of a worker's cases: "+featureNames)
	fs.StringVar(&o.out, "o", "", "write a report folder for each finding under `DIR`, and DIR/index.html")
	fs.StringVar(&o.out, "out", "", "") // as -o was called before
	fs.Var(&o.shard, "shard", "run part `I/N` of the cases, from 1/N to N/N, for slidefuzz merge; env, env/N: the part that Kubernetes, Slurm or "+shardIndexEnv+" says")
	fs.StringVar(&o.corpus, "corpus", "", "go on from the cases in `DIR` and keep there what is found or shows something new; several hunts may share it")
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
		case o.parallel < 1:
			return 0, fmt.Errorf("--jobs %d: want at least 1", o.parallel)
		case isSet(fs, "steps") && o.steps < 1:
			return 0, fmt.Errorf("--steps %d: want at least 1", o.steps)
		case (o.time > 0 || o.steps > 0) && !isSet(fs, "cases"):
			o.cases = 0
		}
		o.given = isSet(fs, "jobs")
		if o.workers = o.parallel; o.time > 0 && !o.given {
			o.parallel = 1
		}
		if err := errors.Join(o.checkShard(fs), o.checkCorpus(fs)); err != nil {
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
		if o.isIssue(args) {
			for _, name := range []string{"shard", "corpus", "steps", "junit", "json"} {
				if isSet(fs, name) {
					return 0, fmt.Errorf("%s in an engine and --%s do not go together: -o DIR keeps its table", corpus.IssueName, name)
				}
			}
			runs := 0
			if isSet(fs, "cases") {
				runs = o.cases
			}
			return o.issue(ctx, e, runs)
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

func (o huntOptions) run(ctx context.Context, e *env, args []string) (int, error) {
	jobs, err := o.jobs(ctx, e, args)
	if err != nil {
		return o.notStarted(ctx, e, "hunt", err)
	}
	defer o.worker.kill()
	to := reporter{client: o.worker.client, flags: o.worker}
	if err := o.checkOutput(); err != nil {
		return 0, err
	}
	if err := o.openCorpus(e, jobs); err != nil {
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
				dir, err := to.write(ctx, o.out, f.Small, f.Divergence, unfinished(&f))
				out.err = errors.Join(out.err, err)
				out.reports = append(out.reports, dir)
			}
		}
		all = append(all, out)
		p.target(out)
	}
	end := summarize(all, ctx.Err() != nil, time.Since(start))
	if o.worker.engine.backend != nil && o.worker.exec != "" {
		o.worker.kill() // what has not ended is not counted
		end.processor.own, end.processor.engine = cpuTimes()
	}
	end.retries = o.worker.retries()
	if err := o.record.close(&end); err != nil {
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

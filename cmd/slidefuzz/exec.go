package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/report"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/window"
	client "github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/hunt"
	"github.com/slidefuzz/slidefuzz/props/run"
	"github.com/slidefuzz/slidefuzz/props/run/engine"
	"github.com/slidefuzz/slidefuzz/props/run/gpu"
	"github.com/slidefuzz/slidefuzz/props/run/worker"
)

// workerFlags are those of the commands that may start a worker.
type workerFlags struct {
	exec    string
	memory  sizeFlag
	timeout time.Duration
	start   time.Duration
	threads int            // of each process of the worker, 0 for as many as it takes
	client  *client.Client // once it was asked for
	engine  engineFlags
}

func execFlags(fs *flag.FlagSet) *workerFlags {
	w := workerAloneFlags(fs)
	w.engine.add(fs)
	return w
}

// workerAloneFlags are those of a worker, without those of an engine.
func workerAloneFlags(fs *flag.FlagSet) *workerFlags {
	w := &workerFlags{}
	fs.Func("exec", "the worker: `'COMMAND ARG …'`, split at spaces outside quotes", func(command string) error {
		if w.exec = command; strings.TrimSpace(command) == "" {
			return errors.New("want a command") // a variable that is not set would hunt in all that is built in
		}
		return nil
	})
	fs.Var(&w.memory, "worker-memory", "`SIZE` that a worker may hold in memory (default 8GiB)")
	durationVar(fs, &w.timeout, "timeout", "a device or worker that does not answer for `DURATION` has hung (default 1m, workers 2m)")
	startTimeoutFlag(fs, &w.start)
	return w
}

func startTimeoutFlag(fs *flag.FlagSet, to *time.Duration) {
	durationVar(fs, to, "start-timeout", "`DURATION` that a worker may take to start and answer hello (default 2m, or --timeout if that is longer); the server of an --engine has --timeout for that")
}

func shrinkTimeFlag(fs *flag.FlagSet) *time.Duration {
	d := new(time.Duration)
	durationVar(fs, d, "shrink-time", "at most `DURATION` to shrink a worker's finding (default 2m; of a hunt with --time a twentieth of that, from 20s to 2m)")
	return d
}

// backend is that of the worker of the command line, nil if there is none, or if it has
// an engine: that is engine's.
func (w *workerFlags) backend(ctx context.Context) (*worker.Backend, error) {
	var args []string
	if w.exec != "" {
		var err error
		if args, err = splitCommand(w.exec); err != nil {
			return nil, fmt.Errorf("--exec: %w", err)
		}
	}
	of := w.engine.name
	if of != "" && of != engine.TransformersName {
		w.engine.timeout = w.timeout
		return nil, w.engine.start(args)
	}
	if of != "" && args == nil {
		return nil, fmt.Errorf("--engine %s needs the command of its driver: --exec 'python3 impls/worker/python/transformers_model.py', or impls/engine/hunt.sh transformers, which installs it", of)
	}
	if args == nil {
		return nil, nil
	}
	w.client = &client.Client{Args: args, Timeout: w.timeout, StartTimeout: w.start, Threads: w.threads, Memory: int64(w.memory)}
	if is, err := w.startEngine(ctx); is || err != nil {
		if err != nil {
			w.kill()
		}
		return nil, err
	}
	b, err := worker.New(ctx, w.client)
	if err == nil && of != "" {
		err = fmt.Errorf("--engine %s: the worker has a cache and no engine", of)
	}
	if err != nil {
		w.kill()
		return nil, err
	}
	return b, nil
}

// retries is how often a start of the worker failed and was tried again.
func (w *workerFlags) retries() client.Retries {
	if w.client == nil {
		return client.Retries{}
	}
	return w.client.Retries()
}

// kill ends the worker, if there is one.
func (w *workerFlags) kill() {
	if w.client != nil {
		w.client.Kill()
	}
	if w.engine.close != nil {
		w.engine.close()
	}
}

// backends is all that can run cases here; b is the worker's, nil without one.
func (w *workerFlags) backends(limit int64, b *worker.Backend) *run.Backends {
	all := run.Local()
	all.Limit = limit
	gpu.Add(all, w.timeout)
	if b != nil {
		all.ByDevice[window.Worker] = b
	}
	all.ByDevice[window.EngineDevice] = &engine.References{}
	if w.engine.backend != nil {
		all.ByDevice[window.EngineDevice] = w.engine.backend
	}
	return all
}

// runner runs cases on all that can run them here. The caller ends the worker.
func (w *workerFlags) runner(ctx context.Context, limit int64) (*hunt.Runner, error) {
	b, err := w.backend(ctx)
	if err != nil {
		return nil, err
	}
	all := w.backends(limit, b)
	if w.engine.name == engine.ReferenceName {
		all.ByDevice[window.EngineDevice] = &engine.References{Named: true} // with the fault of each case
	}
	return &hunt.Runner{Backends: all}, nil
}

// splitCommand splits a command at spaces; quotes of either kind group.
func splitCommand(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	in, quote := false, rune(0)
	for _, c := range text {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if in {
				words = append(words, word.String())
				word.Reset()
			}
			in = false
		default:
			word.WriteRune(c)
			in = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("%q: a quote %c is not closed", text, quote)
	}
	if in {
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, errors.New("want a command")
	}
	return words, nil
}

// aboutWorker is a worker in a line.
func aboutWorker(h *client.Hello) string {
	return fmt.Sprintf("worker %s, %s, on %s", h.Name, h.Version, h.Device)
}

// shapeFlag is what every case has of its shape, as in a case file.
type shapeFlag struct {
	worker.FixedShape
	text string // as it was given
}

func (s *shapeFlag) String() string { return "" }

func (s *shapeFlag) Set(text string) error {
	s.text = text
	seen := map[string]bool{}
	for field := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		to, number := map[string]*int{"batch": &s.Batch, "heads": &s.Heads, "window": &s.Window, "dim": &s.Dim}[key]
		if seen[key] {
			return fmt.Errorf("%s twice", key)
		}
		seen[key] = true
		switch {
		case key == "dtype":
			d, err := impls.ParseDType(value)
			if err != nil {
				return err
			}
			s.DType = &d
		case number:
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > impls.MaxExtent {
				return fmt.Errorf("%q: want a number from 1 to %d", field, impls.MaxExtent)
			}
			*to = n
		default:
			return fmt.Errorf("%q: want some of batch=2,heads=4,window=64,dim=8,dtype=F32", field)
		}
	}
	return nil
}

// limits are the flags that say when a worker or a device has failed, where they
// were given.
func (w *workerFlags) limits() string {
	var flags []string
	if w.timeout > 0 {
		flags = append(flags, "--timeout", w.timeout.String())
	}
	if w.start > 0 {
		flags = append(flags, "--start-timeout", w.start.String())
	}
	if w.memory > 0 {
		flags = append(flags, "--worker-memory", w.memory.String())
	}
	return strings.Join(flags, " ")
}

// reporter writes report folders; client is nil without a worker.
type reporter struct {
	client *client.Client
	flags  *workerFlags
	keep   func(*keptReport) // is told of each report, nil where nobody keeps it
}

// report is the report of a case, for a folder; unfinished is report.Report's.
func (r reporter) report(ctx context.Context, dir string, c *corpus.Case, d *corpus.Divergence, unfinished string) *report.Report {
	kept := r.kept(ctx, dir, c, d)
	kept.Report.Unfinished = unfinished
	if r.keep != nil {
		r.keep(kept)
	}
	return kept.Report
}

func (r reporter) kept(ctx context.Context, dir string, c *corpus.Case, d *corpus.Divergence) *keptReport {
	rep := &report.Report{Case: c, Divergence: d, Versions: versions(), ModuleVersion: moduleVersion(), Limits: r.flags.limits()}
	kept := &keptReport{Report: rep, Exec: r.flags.exec}
	if r.client == nil {
		if b := r.flags.engine.backend; b != nil && r.flags.exec != "" { // a server, behind a driver of ours
			rep.Engine, rep.Worker, rep.Env = r.flags.engine.name, r.flags.exec, workerEnv()
			rep.Folder, rep.Here = folders(dir)
			if v := b.Version(); v != "" {
				rep.Versions = append(rep.Versions, rep.Engine+" "+v)
			}
		}
		return kept
	}
	rep.Worker, rep.Env = r.flags.exec, workerEnv()
	rep.Folder, rep.Here = folders(dir)
	h, err := r.client.Hello(ctx)
	if err != nil {
		h = r.client.Said()
	}
	if h != nil {
		about := aboutWorker(h)
		if err != nil && ctx.Err() == nil {
			about += "; it did not start for this report: " + err.Error()
		}
		rep.Versions = append(rep.Versions, about)
		// A worker that cannot print a script leaves the case file, as does a fault of several
		// programs: a script has one.
		if err == nil && len(c.Beside) == 0 {
			if s, err := r.client.Reproducer(ctx, c.Text(), c.Program, c.Target.Variant); err == nil {
				rep.ScriptName, rep.Script = s.Name, s.Text
			}
		}
		if len(rep.Script) == 0 {
			seconds := int(cmp.Or(r.flags.timeout, scriptTimeout).Seconds())
			kept.Foreign = &report.Foreign{Contract: h.Contract, Sinks: h.Sinks, Slack: h.Slack, Select: h.Select, Seconds: max(1, seconds)}
			kept.python()
		}
	}
	return kept
}

// python gives a report the script that any worker's cache has.
func (k *keptReport) python() {
	words, err := splitCommand(k.Report.Worker)
	if err != nil {
		return // it was split before
	}
	k.Foreign.Command = words
	if k.Report.Script = k.Report.Python(*k.Foreign); k.Report.Script != nil {
		k.Report.ScriptName = report.ReproduceName
	}
}

// in is the report for another folder. The worker's command is run in the current one, where
// that of a shard is taken to have been run.
func (k *keptReport) in(dir string) *report.Report {
	if k.Exec != "" {
		k.Report.Worker = k.Exec
		k.Report.Folder, k.Report.Here = folders(dir)
		if k.Foreign != nil {
			k.python()
		}
	}
	return k.Report
}

// scriptTimeout is that of workers.
const scriptTimeout = 2 * time.Minute

// folders are the current folder, in which a worker's command runs, as it is seen from the
// folder of a report, and that as it is seen from here. A command may name files in ways
// that nobody knows, in a script for a shell or in a variable, so it is run again where it
// was, and never changed.
func folders(dir string) (folder, here string) {
	folder, err := relative(dir, ".")
	if err == nil {
		here, err = relative(".", dir)
	}
	if err != nil { // on another volume
		folder, _ = filepath.Abs(".")
		here, _ = filepath.Abs(dir)
	}
	return folder, here
}

// workerEnvNames are the variables that the workers and engines of this repository, their
// scripts or docs speak of. What else a worker needs of its environment nobody knows, and not
// everything in one is for others to read.
var workerEnvNames = []string{
	"NUMBA_OPT", "OLLAMA_FLASH_ATTENTION", "OLLAMA_KV_CACHE_TYPE", "OLLAMA_NEW_ENGINE", "OLLAMA_NUM_PARALLEL", "OMP_NUM_THREADS", "PYTHONPATH",
	"TORCHDYNAMO_DISABLE", "TORCHINDUCTOR_COMPILE_THREADS", "VLLM_CPU_KVCACHE_SPACE", "VLLM_ENABLE_V1_MULTIPROCESSING", "XLA_FLAGS",
}

// workerEnv is those of workerEnvNames that are set.
func workerEnv() []string {
	var env []string
	for _, name := range workerEnvNames {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// relative is the path of a file as it is seen from a folder.
func relative(dir, file string) (string, error) {
	from, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	to, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	return filepath.Rel(from, to)
}

// quoteWord is a word as splitCommand takes it.
func quoteWord(w string) string {
	if w != "" && !strings.ContainsAny(w, " \t\n'\"") {
		return w
	}
	// A quote of one kind stands between those of the other.
	return "'" + strings.ReplaceAll(w, "'", `'"'"'`) + "'"
}

// featuresFlag is a comma-separated list of features.
type featuresFlag []corpus.Feature

var featureNames = func() string {
	var names []string
	for _, f := range corpus.Features() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}()

func (f *featuresFlag) String() string { return "" }

func (f *featuresFlag) Set(text string) error {
	for name := range strings.SplitSeq(text, ",") {
		x := corpus.Feature(strings.TrimSpace(name))
		if !slices.Contains(corpus.Features(), x) {
			return fmt.Errorf("%q: want some of %s", name, featureNames)
		}
		*f = append(*f, x)
	}
	return nil
}

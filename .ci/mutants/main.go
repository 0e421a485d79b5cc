// Command mutants says how many small faults the tests notice. It exchanges operators of
// the source with the kinds that go-gremlins has (negated and shifted conditions, swapped
// arithmetic, inverted signs, steps the other way), one at a time, and runs the short
// tests of the package and then of those that depend on it, the cheapest first, until
// one fails. The checkout is left alone: the go command is given the mutated file as an
// overlay.
//
//	go run ./.ci/mutants
//
// It draws as many mutants from each package; one that does not compile is not counted,
// and another is drawn. A test that runs into its time limit has killed its mutant. Each
// mutant is a line of the output, in the order drawn. Mutants that are shown to change
// nothing stand in equivalent.txt with the reason; they are not run.
//
// Exit status: 0 where enough of the others are killed, 1 where not, 2 for wrong usage
// or where nothing could be run. An hour on two cores.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const (
	module = "github.com/slidefuzz/slidefuzz"
	// goal is the share of mutants that the tests have to kill.
	goal = 0.95
	// memory is the KiB of address space of a command: the largest of the tests need a
	// third of it.
	memory = 8 << 20
)

func main() {
	seed := flag.Uint64("seed", 1, "draw with `SEED`")
	n := flag.Int("n", 120, "draw `N` mutants, as many from each package")
	only := flag.String("file", "", "only mutants of the file or folder `PATH`, relative to the module")
	own := flag.Bool("own", false, "run the tests of a mutant's own package alone: some minutes")
	skip := flag.String("skip", "", "leave out the tests of `PACKAGES`, relative to the module, separated by commas")
	jobs := flag.Int("jobs", 1, "try `N` mutants at once")
	list := flag.String("equivalent", filepath.Join(".ci", "mutants", "equivalent.txt"), "`FILE` of equivalent mutants")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	packages := flag.Args()
	if len(packages) == 0 {
		packages = []string{"oracle", "impls/inplace", "impls/window", "props/judge"}
	}
	ok, err := run(ctx, options{seed: *seed, n: *n, only: *only, own: *own, jobs: *jobs, skip: strings.Split(*skip, ","), equivalent: *list, packages: packages})
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	case !ok:
		os.Exit(1)
	}
}

type options struct {
	seed       uint64
	n          int
	only       string
	own        bool
	jobs       int
	skip       []string // packages, relative to the module
	equivalent string
	packages   []string // relative to the module
}

// run draws mutants and tries them; ok says that enough are killed.
func run(ctx context.Context, o options) (ok bool, err error) {
	if o.n < len(o.packages) {
		return false, fmt.Errorf("-n %d: want at least one mutant of each of %d packages", o.n, len(o.packages))
	}
	reasons, err := equivalents(o.equivalent)
	if err != nil {
		return false, err
	}
	all, err := listPackages(ctx)
	if err != nil {
		return false, err
	}
	t := &tester{memory: memory}
	if t.dir, err = os.MkdirTemp("", "slidefuzz-mutants-*"); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(t.dir)) }()
	tested := all
	if o.own {
		t.own = true
		tested = slices.DeleteFunc(slices.Clone(all), func(p *pkg) bool {
			return !slices.Contains(o.packages, strings.TrimPrefix(p.ImportPath, module+"/"))
		})
	}
	tested = slices.DeleteFunc(slices.Clone(tested), func(p *pkg) bool {
		return slices.Contains(o.skip, strings.TrimPrefix(p.ImportPath, module+"/"))
	})
	failed, err := t.baseline(ctx, tested)
	if err != nil {
		return false, err
	}
	for _, p := range failed {
		fmt.Printf("%s fails unmutated: not run\n", p)
	}
	var c counts
	var draws []*draw
	for i, name := range o.packages {
		d, err := newDraw(all, name, o)
		if err != nil {
			return false, err
		}
		d.want = o.n*(i+1)/len(o.packages) - o.n*i/len(o.packages)
		draws = append(draws, d)
	}
	for {
		var round []*trial
		for _, d := range draws {
			round = append(round, d.next(reasons)...)
		}
		if len(round) == 0 {
			break
		}
		if err := c.tryAll(ctx, t, round, o.jobs); err != nil {
			return false, err
		}
	}
	share := 1.0
	if c.killed+c.survived > 0 {
		share = float64(c.killed) / float64(c.killed+c.survived)
	}
	fmt.Printf("seed %d: %d mutants, %d killed, %d survived, %d equivalent: %.1f %% of the %d others killed, want %.0f %%; %d more did not compile\n",
		o.seed, c.killed+c.survived+c.equivalent, c.killed, c.survived, c.equivalent, 100*share, c.killed+c.survived, 100*goal, c.uncompilable)
	return share >= goal, nil
}

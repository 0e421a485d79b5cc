package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// pkg is a package with tests.
type pkg struct {
	ImportPath, Dir                    string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Deps, TestImports, XTestImports    []string
	needs                              map[string]bool // what its tests are built of
	took                               time.Duration   // its tests unmutated, built before
}

// listPackages is the packages of the module.
func listPackages(ctx context.Context) (list []*pkg, err error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Deps,TestImports,XTestImports", "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	byPath := map[string]*pkg{}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		p := &pkg{}
		if err := d.Decode(p); err != nil {
			return nil, err
		}
		list = append(list, p)
		byPath[p.ImportPath] = p
	}
	for _, p := range list {
		p.needs = map[string]bool{p.ImportPath: true}
		for _, x := range slices.Concat(p.Deps, p.TestImports, p.XTestImports) {
			p.needs[x] = true
			if of := byPath[x]; of != nil {
				for _, d := range of.Deps {
					p.needs[d] = true
				}
			}
		}
	}
	return list, nil
}

// tester runs tests on mutants.
type tester struct {
	dir   string // for mutants and overlays
	own   bool   // the tests of a mutant's own package alone
	tests []*pkg // those whose tests pass unmutated, the cheapest first
	// memory is the address space in KiB that a command may have: a loop that a mutant
	// makes endless may fill it.
	memory int
}

// baseline finds the packages whose tests pass as they are, and how long each takes. It
// returns the import paths of those that fail, which say nothing about mutants.
func (t *tester) baseline(ctx context.Context, list []*pkg) (failed []string, err error) {
	for _, p := range list {
		if len(p.TestGoFiles)+len(p.XTestGoFiles) == 0 {
			continue
		}
		if _, err := t.test(ctx, p, "", "-run=^$"); err != nil {
			return nil, fmt.Errorf("building the tests of %s: %w", p.ImportPath, err)
		}
		start := time.Now()
		if _, err := t.test(ctx, p, ""); err != nil {
			failed = append(failed, p.ImportPath)
			continue
		}
		p.took = time.Since(start)
		t.tests = append(t.tests, p)
	}
	slices.SortStableFunc(t.tests, func(a, b *pkg) int { return cmp.Compare(a.took, b.took) })
	return failed, ctx.Err()
}

// test runs a package's short tests, with an overlay unless it is empty.
func (t *tester) test(ctx context.Context, p *pkg, overlay string, flags ...string) (out []byte, err error) {
	// A mutant that makes a test endless is killed by it. A busy machine may be slower.
	limit := time.Minute + 8*p.took
	args := []string{"test", "-short", "-failfast", "-count=1", "-vet=off", "-timeout=" + limit.String()}
	return t.goCommand(ctx, limit+3*time.Minute, append(append(args, flags...), p.ImportPath), overlay)
}

// goCommand runs go, with the tester's limit of memory.
func (t *tester) goCommand(ctx context.Context, limit time.Duration, args []string, overlay string) (out []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if overlay != "" {
		args = slices.Insert(slices.Clone(args), 1, "-overlay="+overlay)
	}
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", fmt.Sprintf(`ulimit -v %d; exec go "$@"`, t.memory), "go"}, args...)...)
	// The tests' processes may outlive go, and hold its output open.
	cmd.WaitDelay = 10 * time.Second
	return cmd.CombinedOutput()
}

// outcome is what became of a mutant.
type outcome int

const (
	survived outcome = iota
	killed
	uncompilable
)

// try says whether a mutant of a package is killed, and by the tests of which.
func (t *tester) try(ctx context.Context, m *mutant, in *pkg, source []byte) (out outcome, by string, err error) {
	dir, err := os.MkdirTemp(t.dir, "")
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	original, err := filepath.Abs(filepath.FromSlash(m.file))
	if err != nil {
		return 0, "", err
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {original: file}})
	if err != nil {
		return 0, "", err
	}
	if err := os.WriteFile(file, m.apply(source), 0o644); err != nil {
		return 0, "", err
	}
	if err := os.WriteFile(overlay, replace, 0o644); err != nil {
		return 0, "", err
	}
	if _, err := t.goCommand(ctx, 3*time.Minute, []string{"build", in.ImportPath}, overlay); err != nil {
		return uncompilable, "", ctx.Err()
	}
	order := slices.Clone(t.tests)
	slices.SortStableFunc(order, func(a, b *pkg) int {
		return -cmp.Compare(isOwn(a, in), isOwn(b, in))
	})
	for _, p := range order {
		if !p.needs[in.ImportPath] || t.own && p != in {
			continue
		}
		if _, err := t.test(ctx, p, overlay); err != nil {
			return killed, p.ImportPath, ctx.Err()
		}
	}
	return survived, "", ctx.Err()
}

// isOwn is 1 for the package that a mutant is in.
func isOwn(p, in *pkg) int {
	if p == in {
		return 1
	}
	return 0
}

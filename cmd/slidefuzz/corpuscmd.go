package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
)

var distilCommand = command{
	name:  "corpus distil",
	args:  "DIR|FILE…",
	about: "copy the cases worth keeping to a folder",
	long: `
Runs case files, and all files *.txt in folders and below whose name starts
with no dot, and copies those worth keeping to the folder of -o, with their
outcome as expect: the smallest case of each failure (target, operation,
tensor, fault, hazard), and of those that agree, for each target, the smallest
with each feature (a window of one row, a chunk over its border, a reset …).

With --cover, the fewest files that together cover the same blocks of code and
show the same failures as all, by Go's own counters. It builds the program with
them, so it needs the go command. All files run twice and those chosen once
more, alone: it is an error if they do not do the same. Blocks that come and go
from run to run are left out, and named. A lower bound says how many inputs any
such set has at least.

Case files are run by slidefuzz, whose source must be at hand: in its checkout
or in a module that requires it. So are inputs of FuzzUpdate and FuzzInPlace,
as the cases that they stand for. With --fuzz, files of go test -fuzz are
inputs of your own fuzz target, with arguments of any type, and your code stays
as it is; without files, those in testdata/fuzz and in the toolchain's cache.

  slidefuzz corpus distil --cover --fuzz ./cache.FuzzRing -o few`,
	flags: func(fs *flag.FlagSet) action {
		memory := memoryFlag(fs)
		out := fs.String("o", "", "copy to `DIR`, a new or empty folder")
		byCover := fs.Bool("cover", false, "choose by the code that is covered")
		c := &distilCover{timeout: hungAfter}
		fs.StringVar(&c.target, "fuzz", "", "with --cover: inputs of the target `PACKAGE.FuzzNAME`")
		fs.StringVar(&c.patterns, "coverpkg", "", "count in `PACKAGES` (default: those of the module)")
		durationVar(fs, &c.timeout, "timeout", "with --cover: an input hangs after `DURATION` (default 1m)")
		return func(ctx context.Context, e *env, args []string) (int, error) {
			for _, name := range [...]string{"fuzz", "coverpkg", "timeout"} {
				if isSet(fs, name) && !*byCover {
					return 0, fmt.Errorf("--%s: want --cover too", name)
				}
			}
			if len(args) == 0 && c.target == "" || *out == "" {
				return 0, errors.New("want a folder or case files, and -o DIR")
			}
			if old, err := os.ReadDir(*out); err == nil && len(old) > 0 {
				return 0, fmt.Errorf("-o %s: it is not empty; give a new folder", *out)
			}
			if *byCover {
				c.memory, c.out = int64(*memory), *out
				return c.run(ctx, e, args)
			}
			files, err := allCaseFiles(args)
			if err != nil {
				return 0, err
			}
			r, err := (&workerFlags{}).runner(ctx, int64(*memory))
			if err != nil {
				return 0, err
			}
			cases := make([]*corpus.Case, len(files))
			keys := make([][]string, len(files))
			for i, path := range files {
				if err := ctx.Err(); err != nil {
					return 0, errors.New("interrupted: nothing is written")
				}
				c, err := e.readCase(ctx, path, int64(*memory))
				if err != nil {
					return 0, err
				}
				d, err := r.One(ctx, c)
				if err != nil {
					return 0, fmt.Errorf("%s: %w", path, err)
				}
				c = c.Clone()
				c.Expect = d.Expect()
				cases[i] = c
				if d != nil {
					keys[i] = []string{d.Failure(c.Target).String()}
					continue
				}
				keys[i] = []string{c.Target.String()}
				for _, f := range corpus.FeaturesOf(c) {
					keys[i] = append(keys[i], c.Target.String()+" "+string(f))
				}
			}
			if err := os.MkdirAll(*out, 0o755); err != nil {
				return 0, err
			}
			keep := corpus.Distil(cases, func(i int) []string { return keys[i] })
			written := map[string]bool{}
			for _, i := range keep {
				to := newName(written, *out, strings.TrimSuffix(filepath.Base(files[i]), ".txt"), ".txt")
				if err := cases[i].WriteFile(to); err != nil {
					return 0, err
				}
				fmt.Fprintf(e.out, "%s: %s\n", to, strings.Join(keys[i], ", "))
			}
			fmt.Fprintf(e.out, "%d of %s kept\n", len(keep), corpus.Plural(len(files), "case"))
			return exitOK, nil
		}
	},
}

// newName is DIR/NAME and an ending like .txt, or DIR/NAME-2.txt and so on where
// that is taken.
func newName(written map[string]bool, dir, name, ext string) string {
	to := filepath.Join(dir, name+ext)
	for n := 2; written[to]; n++ {
		to = filepath.Join(dir, fmt.Sprintf("%s-%d%s", name, n, ext))
	}
	written[to] = true
	return to
}

// allCaseFiles are the case files that arguments name.
func allCaseFiles(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		found, err := caseFiles(arg)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	return files, nil
}

// caseFiles is a file itself, or the case files below a folder.
func caseFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if path == "-" || err == nil && !info.IsDir() {
		return []string{path}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("there is no file or folder %s; give the path of one", path)
	}
	var files []string
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		hidden := p != path && strings.HasPrefix(d.Name(), ".")
		switch {
		case err != nil:
			return err
		case d.IsDir() && hidden:
			return filepath.SkipDir
		case !d.IsDir() && !hidden && filepath.Ext(p) == ".txt":
			files = append(files, p)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no file *.txt; give a folder with case files", path)
	}
	return files, err
}

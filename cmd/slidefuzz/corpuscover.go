package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/cover"
	"github.com/slidefuzz/slidefuzz/corpus/cover/instrument"
	"github.com/slidefuzz/slidefuzz/corpus/fuzzfile"
)

// hungAfter is how long an input may take: far longer than any that a fuzzer keeps.
const hungAfter = time.Minute

// namedBlocks is how many blocks that came and went are named.
const namedBlocks = 20

// distilCover are the flags of corpus distil --cover.
type distilCover struct {
	target   string // --fuzz
	patterns string // --coverpkg
	timeout  time.Duration
	memory   int64
	out      string
}

// coverInput is a file that distil --cover takes.
type coverInput struct {
	path   string
	text   []byte
	c      *corpus.Case // nil for a fuzz target of the user's
	isCase bool         // the file is a case, and not an input that decodes to one
}

// run distils files, or what the target's package and the toolchain's cache have.
func (d *distilCover) run(ctx context.Context, e *env, args []string) (int, error) {
	var target *instrument.Target
	if d.target != "" {
		var err error
		if target, err = instrument.FindTarget(ctx, d.target); err != nil {
			return 0, err
		}
		if len(args) == 0 {
			if args, err = ownInputs(ctx, target); err != nil {
				return 0, err
			}
		}
	}
	inputs, values, err := d.read(ctx, e, args)
	if err != nil {
		return 0, err
	}
	name, build := "cases", func() (*instrument.Program, error) { return instrument.BuildCases(ctx, d.patterns) }
	if target != nil {
		name, build = target.ImportPath+"."+target.Name, func() (*instrument.Program, error) { return target.Build(ctx, d.patterns) }
	}
	program, err := build()
	if err != nil {
		return 0, err
	}
	defer program.Close()
	sizes := make([]int64, len(inputs))
	for i, in := range inputs {
		sizes[i] = int64(len(in.text))
	}
	result, err := cover.Distil(ctx, sizes, func(ctx context.Context, which []int) ([]cover.Seen, error) {
		chosen := make([][]any, len(which))
		for k, i := range which {
			chosen[k] = values[i]
		}
		return program.Run(ctx, chosen, d.timeout)
	})
	var lost *cover.LostError
	if errors.As(err, &lost) {
		printBlocks(e, "missed", lost.Blocks, program.Meta())
		return exitUnexpected, err
	}
	if err != nil {
		return 0, err
	}
	if err := d.write(ctx, e, inputs, result.Kept); err != nil {
		return 0, err
	}
	total := func(which []int) (n int64) {
		for _, i := range which {
			n += sizes[i]
		}
		return n
	}
	all := make([]int, len(inputs))
	for i := range all {
		all[i] = i
	}
	fmt.Fprintf(e.out, "%s: before: %s, %d bytes, cover %d of %s of code and show %s\n", name,
		corpus.Plural(len(inputs), "input"), total(all), len(result.Blocks), corpus.Plural(program.Meta().Blocks(), "block"), corpus.Plural(len(result.Failures), "failure"))
	fmt.Fprintf(e.out, "%s: after: %s, %d bytes, run alone: the same %s and %s\n", name,
		corpus.Plural(len(result.Kept), "input"), total(result.Kept), corpus.Plural(len(result.Blocks), "block"), corpus.Plural(len(result.Failures), "failure"))
	if result.Bound == len(result.Kept) {
		fmt.Fprintf(e.out, "%s: no fewer inputs do (lower bound %d)\n", name, result.Bound)
	} else {
		fmt.Fprintf(e.out, "%s: at least %s are needed (lower bound)\n", name, corpus.Plural(result.Bound, "input"))
	}
	for _, f := range result.Failures {
		fmt.Fprintf(e.out, "failure: %s\n", f)
	}
	for _, f := range result.Flaky {
		fmt.Fprintf(e.out, "failure that came and went, not promised: %s\n", f)
	}
	printBlocks(e, fmt.Sprintf("came and went from run to run, left out, %d of them covered in the run alone", result.Again), result.CameAndWent, program.Meta())
	return exitOK, nil
}

// printBlocks names blocks of code, the first of many.
func printBlocks(e *env, what string, blocks []int32, m *cover.Meta) {
	if len(blocks) == 0 {
		return
	}
	fmt.Fprintf(e.out, "%s %s:\n", corpus.Plural(len(blocks), "block"), what)
	for i, b := range blocks {
		if i == namedBlocks {
			fmt.Fprintf(e.out, "  and %d more\n", len(blocks)-i)
			break
		}
		fmt.Fprintf(e.out, "  %s\n", m.Place(b))
	}
}

// ownInputs are the folders that go test takes a target's inputs from, where there
// are any.
func ownInputs(ctx context.Context, t *instrument.Target) ([]string, error) {
	cached, err := t.Cache(ctx)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, dir := range []string{t.Seeds(), cached} {
		if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
			found = append(found, dir)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s has no inputs in %s or %s; name files or folders, or run go test -fuzz first", t.Name, t.Seeds(), cached)
	}
	return found, nil
}

// read reads the files that arguments name, and the values that a program takes
// for each.
func (d *distilCover) read(ctx context.Context, e *env, args []string) (inputs []coverInput, values [][]any, err error) {
	files, err := allInputFiles(args, d.target == "")
	if err != nil {
		return nil, nil, err
	}
	for _, path := range files {
		text, err := e.read(ctx, path)
		if err != nil {
			return nil, nil, err
		}
		in := coverInput{path: path, text: text}
		var v []any
		switch {
		case d.target != "":
			if v, err = fuzzfile.Parse(text); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", path, err)
			}
		case isFuzzFile(text):
			bytes, err := fuzzInput(path, text, false)
			if err != nil {
				return nil, nil, err
			}
			in.c = importCase(path, bytes, false)
		default:
			in.isCase = true
			if in.c, err = corpus.Parse(path, text, d.memory); err != nil {
				return nil, nil, err
			}
		}
		if in.c != nil {
			v = []any{in.c.Text(), d.memory}
		}
		inputs, values = append(inputs, in), append(values, v)
	}
	return inputs, values, nil
}

// write copies inputs to the folder of -o, cases with their outcome as expect.
func (d *distilCover) write(ctx context.Context, e *env, inputs []coverInput, kept []int) error {
	r, err := (&workerFlags{}).runner(ctx, d.memory)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(d.out, 0o755); err != nil {
		return err
	}
	written := map[string]bool{}
	for _, i := range kept {
		in := inputs[i]
		ext := ""
		if in.isCase {
			ext = ".txt"
		}
		to := newName(written, d.out, strings.TrimSuffix(inputName(in.path), ext), ext)
		if !in.isCase {
			if err := os.WriteFile(to, in.text, 0o644); err != nil {
				return err
			}
			continue
		}
		found, err := r.One(ctx, in.c)
		if err != nil {
			return fmt.Errorf("%s: %w", in.path, err)
		}
		c := in.c.Clone()
		c.Expect = found.Expect()
		if err := c.WriteFile(to); err != nil {
			return err
		}
	}
	return nil
}

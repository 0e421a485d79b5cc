package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/slidefuzz/slidefuzz/corpus"
)

var importCommand = command{
	name:  "corpus import",
	args:  "DIR|FILE…",
	about: "turn inputs of go test -fuzz or libFuzzer into case files",
	long: `
Turns inputs that go test -fuzz keeps into case files: files under testdata/fuzz
or in the toolchain's cache, and all such files in folders and below. Those of
FuzzUpdate as they are, those of a user's fuzz target that calls props.FuzzCache
with --cache, those of FuzzInPlace with --program; a file in a folder FuzzInPlace
is taken for one anyway. One case goes to standard output without -o. The folder
of a target in the toolchain's cache:

  $(go env GOCACHE)/fuzz/IMPORT/PATH/FuzzNAME

With --raw the files are libFuzzer's, whose bytes are the input: all files of
folders and below. slidefuzz corpus export makes inputs of cases, and those of the
one engine of those of the other.`,
	flags: func(fs *flag.FlagSet) action {
		out := fs.String("o", "", "write each case to `DIR`/NAME.txt")
		program := fs.Bool("program", false, "the inputs are those of FuzzInPlace")
		raw := fs.Bool("raw", false, "the inputs are files of bytes, as libFuzzer keeps them")
		cache := fs.Bool("cache", false, "the inputs are those of props.FuzzCache: cases of target cache, before they are fitted to its options")
		return func(ctx context.Context, e *env, args []string) (int, error) {
			if err := noFiles(args); err != nil {
				return 0, err
			}
			var files []string
			var err error
			if *raw {
				files, err = allFiles(args)
			} else {
				files, err = allInputFiles(args, false)
			}
			if err != nil {
				return 0, err
			}
			if len(files) > 1 && *out == "" {
				return 0, errors.New("several files: want -o DIR")
			}
			// All are read before the first is written.
			cases := make([]*corpus.Case, len(files))
			for i, path := range files {
				text, err := e.read(ctx, path)
				if err != nil {
					return 0, err
				}
				in, err := fuzzInput(path, text, *raw)
				switch {
				case err != nil:
					return 0, err
				case *cache:
					cases[i] = corpus.DecodeCache(in)
				default:
					cases[i] = importCase(path, in, *program)
				}
			}
			if *out == "" {
				_, _ = e.out.Write(cases[0].Text()) // run reports what fails
				return exitOK, nil
			}
			if err := os.MkdirAll(*out, 0o755); err != nil {
				return 0, err
			}
			written := map[string]bool{}
			for i, path := range files {
				to := newName(written, *out, inputName(path), ".txt")
				if err := cases[i].WriteFile(to); err != nil {
					return 0, err
				}
				fmt.Fprintln(e.out, to)
			}
			return exitOK, nil
		}
	},
}

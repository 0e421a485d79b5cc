package main

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/fuzzfile"
)

var exportCommand = command{
	name:  "corpus export",
	args:  "DIR|FILE…",
	about: "turn cases and inputs into those of go test -fuzz or libFuzzer",
	long: `
Turns inputs of one fuzzing engine into those of another, and cases into inputs:
with --to libfuzzer into files of bytes, as libFuzzer, ClusterFuzzLite and
OSS-Fuzz keep them; with --to go into files for testdata/fuzz/FuzzNAME or the
toolchain's cache. A file that go test -fuzz keeps is known by its first line; of
any other the bytes are the input, and with --raw of all. Folders are taken with
all that is in them and below, and each input is written once, under a name made
of what it holds.

The input of a case file is its text: FuzzCase takes it, and a user's target that
calls props.FuzzCache does if its target is cache. No input of FuzzUpdate and
FuzzInPlace can be made of a case. slidefuzz corpus import goes from inputs to
cases.`,
	flags: func(fs *flag.FlagSet) action {
		out := fs.String("o", "", "write the inputs to `DIR`")
		raw := fs.Bool("raw", false, "the bytes of all files are inputs")
		to := fs.String("to", "", "the `ENGINE` that the inputs are for: go or libfuzzer")
		return func(ctx context.Context, e *env, args []string) (int, error) {
			form, ok := inputForms[*to]
			switch {
			case !ok:
				return 0, fmt.Errorf("--to %q: want --to go or --to libfuzzer", *to)
			case len(args) == 0 || *out == "":
				return 0, errors.New("want a folder or files, and -o DIR")
			}
			files, err := allFiles(args)
			if err != nil {
				return 0, err
			}
			// All are read before the first is written.
			inputs := map[string][]byte{}
			for _, path := range files {
				text, err := e.read(ctx, path)
				if err != nil {
					return 0, err
				}
				in, err := fuzzInput(path, text, *raw || !isFuzzFile(text))
				if err != nil {
					return 0, err
				}
				name, text := form(in)
				inputs[name] = text
			}
			if err := os.MkdirAll(*out, 0o755); err != nil {
				return 0, err
			}
			for name, text := range inputs {
				if err := os.WriteFile(filepath.Join(*out, name), text, 0o644); err != nil {
					return 0, err
				}
			}
			fmt.Fprintf(e.out, "%s of %s in %s\n", corpus.Plural(len(inputs), "input"), corpus.Plural(len(files), "file"), *out)
			return exitOK, nil
		}
	},
}

// inputForms are how the engines keep an input of bytes: the file's name and its text. Each
// names a file by what it holds.
var inputForms = map[string]func(in []byte) (name string, text []byte){
	"go": func(in []byte) (string, []byte) {
		text := fuzzfile.Format(in)
		return fmt.Sprintf("%x", sha256.Sum256(text))[:16], text
	},
	"libfuzzer": func(in []byte) (string, []byte) { return fmt.Sprintf("%x", sha1.Sum(in)), in },
}

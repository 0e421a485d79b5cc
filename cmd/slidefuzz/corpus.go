package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/props"
)

const corpusHelp = `
slidefuzz corpus import FILE…   reads inputs as go test writes them under
                                testdata/fuzz and writes each as a case
slidefuzz corpus check PATH…    replays every .txt case, folders too; 1 if the
                                outcome of one is not what it expects
`

func corpusCommand(e *env, args []string) error {
	f := e.flags()
	limit := memory(corpus.DefaultLimit)
	out := f.String("o", ".", "import: the `directory` to write to")
	program := f.Bool("program", false, "import: the inputs are FuzzInPlace's, not FuzzUpdate's")
	lowering := f.String("lowering", "", "import: make the cases of this `lowering`")
	f.Var(&limit, "memory", "most `memory` that a case may take")
	rest, err := e.parse(f, args)
	if err != nil {
		return err
	}
	if len(rest) < 2 {
		return fmt.Errorf("want corpus import FILE… or corpus check PATH…")
	}
	switch rest[0] {
	case "import":
		return importInputs(e, rest[1:], *out, *program, *lowering, int64(limit))
	case "check":
		return checkCases(e, rest[1:], int64(limit))
	}
	return fmt.Errorf("corpus %q: want import or check", rest[0])
}

func importInputs(e *env, files []string, out string, program bool, lowering string, limit int64) error {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		in, err := corpus.ImportFuzzFile(text)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		decode := corpus.Decode
		if program {
			decode = corpus.DecodeProgram
		}
		c := decode(in)
		if lowering != "" {
			if c.Target.Lowering, err = impls.ParseLowering(lowering); err != nil {
				return err
			}
		}
		r := props.NewRunner()
		r.Limit = limit
		d, err := r.Run(c)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		c.Expect = d.Expect()
		to := filepath.Join(out, filepath.Base(file)+".txt")
		if err := c.WriteFile(to); err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "%s: %s, expect %s\n", to, c.Target, c.Expect)
	}
	return nil
}

func checkCases(e *env, paths []string, limit int64) error {
	r := props.NewRunner()
	r.Limit = limit
	checked, bad := 0, 0
	for _, path := range paths {
		err := filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || file != path && !strings.HasSuffix(file, ".txt") {
				return err
			}
			c, err := corpus.ReadFile(file, limit)
			if err != nil {
				return err
			}
			got, err := r.Run(c)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			checked++
			if !meets(c, got) {
				bad++
				fmt.Fprintf(e.stdout, "%s: expected %s, got %s\n", file, c.Expect, got.Expect())
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(e.stdout, "%d cases, %d not as expected\n", checked, bad)
	if checked == 0 {
		return fmt.Errorf("no case in %s", strings.Join(paths, " "))
	}
	if bad > 0 {
		return errUnexpected
	}
	return nil
}

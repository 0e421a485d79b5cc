package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/fuzzfile"
)

// inputName is what an input is called in another folder.
func inputName(path string) string {
	if path == "-" {
		return "stdin"
	}
	return filepath.Base(path)
}

// isFuzzFile reports whether a file is one that go test keeps an input in.
func isFuzzFile(text []byte) bool { return bytes.HasPrefix(text, []byte(fuzzfile.Header)) }

// fuzzInput is the input that a file holds: raw is whether it is the file itself, else it
// is one that go test keeps.
func fuzzInput(path string, text []byte, raw bool) ([]byte, error) {
	if raw {
		return text, nil
	}
	in, err := fuzzfile.Bytes(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return in, nil
}

// importCase is the case that an input of a fuzz target of ours stands for. Those
// of FuzzInPlace are programs, known by their folder.
func importCase(path string, in []byte, program bool) *corpus.Case {
	if program || filepath.Base(filepath.Dir(path)) == "FuzzInPlace" {
		return corpus.DecodeProgram(in)
	}
	return corpus.Decode(in)
}

// allInputFiles are the files that arguments name, and those in folders and below
// that go test keeps inputs in; where cases are taken, files *.txt too. Hidden ones
// are left out.
func allInputFiles(args []string, cases bool) ([]string, error) {
	take, none := startsAsFuzzFile, "%s: no file that begins with %q; give a folder with inputs of go test -fuzz"
	if cases {
		none = "%s: no file *.txt and none that begins with %q; give a folder with cases or inputs of go test -fuzz"
		take = func(path string) (bool, error) {
			if filepath.Ext(path) == ".txt" {
				return true, nil
			}
			return startsAsFuzzFile(path)
		}
	}
	return filesBelow(args, take, func(dir string) error { return fmt.Errorf(none, dir, fuzzfile.Header) })
}

// allFiles are the files that arguments name, and those in folders and below. Hidden ones
// are left out.
func allFiles(args []string) ([]string, error) {
	return filesBelow(args, func(string) (bool, error) { return true, nil }, func(dir string) error {
		return fmt.Errorf("%s: no file is in it or below; give a folder with inputs", dir)
	})
}

// filesBelow are the files that arguments name, and those of folders and below that take
// takes; none is the error of a folder without one.
func filesBelow(args []string, take func(path string) (bool, error), none func(dir string) error) (files []string, err error) {
	for _, arg := range args {
		info, err := os.Stat(arg)
		if arg == "-" || err == nil && !info.IsDir() {
			files = append(files, arg)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("there is no file or folder %s; give the path of one", arg)
		}
		before := len(files)
		err = filepath.WalkDir(arg, func(p string, entry fs.DirEntry, err error) error {
			hidden := p != arg && strings.HasPrefix(entry.Name(), ".")
			switch {
			case err != nil:
				return err
			case entry.IsDir() && hidden:
				return filepath.SkipDir
			case entry.IsDir() || hidden:
				return nil
			}
			is, err := take(p)
			if is {
				files = append(files, p)
			}
			return err
		})
		if err == nil && len(files) == before {
			err = none(arg)
		}
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// startsAsFuzzFile looks at the first bytes of a file.
func startsAsFuzzFile(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, len(fuzzfile.Header))
	if _, err := io.ReadFull(f, head); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return false, nil // too short for one
	} else if err != nil {
		return false, err
	}
	return isFuzzFile(head), nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// maxInput bounds the bytes read of any file: a case of the largest size, with
// room for the escapes of a fuzz file.
const maxInput = 4*corpus.MaxText + 1

// read is a whole file, or standard input for "-".
func (e *env) read(ctx context.Context, path string) ([]byte, error) {
	if path == "-" {
		return e.readInput(ctx)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noFile(path)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxInput))
}

// readInput is standard input up to its end.
func (e *env) readInput(ctx context.Context) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := io.ReadAll(io.LimitReader(e.in, maxInput))
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done(): // the read cannot be ended; the program is
		return nil, context.Cause(ctx)
	}
}

// readCase parses a case file.
func (e *env) readCase(ctx context.Context, path string, limit int64) (*corpus.Case, error) {
	text, err := e.read(ctx, path)
	if err != nil {
		return nil, err
	}
	if path == "-" {
		path = "standard input"
	}
	return corpus.Parse(path, text, limit)
}

// deviceOf is the third part of the name of a target, if it has three.
func deviceOf(target string) string {
	f := strings.Split(target, "/")
	if len(f) != 3 {
		return ""
	}
	return f[2]
}

func noFile(path string) error {
	return fmt.Errorf("there is no file %s; give the path of a file, or - for standard input", path)
}

// noneThere is the error where no file of some is there, which is better known before a
// worker starts than after.
func noneThere(paths []string) error {
	var all []error
	for _, path := range paths {
		if path == "-" {
			return nil
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		all = append(all, noFile(path))
	}
	return errors.Join(all...)
}

// noFiles is the error of a command that was given none.
func noFiles(args []string) error {
	if len(args) == 0 {
		return errors.New("want at least one file")
	}
	return nil
}

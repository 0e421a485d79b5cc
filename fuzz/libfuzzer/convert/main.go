// Command convert makes files of bytes, as libFuzzer keeps them, of the fuzz inputs that
// Go keeps ("go test fuzz v1"), and with -go the other way:
//
//	go run ./fuzz/libfuzzer/convert fuzz/testdata/fuzz/FuzzUpdate DIR
//	go run ./fuzz/libfuzzer/convert -go DIR fuzz/testdata/fuzz/FuzzUpdate
package main

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/slidefuzz/slidefuzz/corpus/fuzzfile"
)

func main() {
	toGo := flag.Bool("go", false, "from bytes to Go's files")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: convert [-go] FROM TO")
		os.Exit(2)
	}
	if err := convert(flag.Arg(0), flag.Arg(1), *toGo); err != nil {
		fmt.Fprintln(os.Stderr, "convert:", err)
		os.Exit(2)
	}
}

// convert converts each file of a folder.
func convert(from, to string, toGo bool) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return err
		}
		if data, err = one(data, toGo); err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(from, e.Name()), err)
		}
		// Both name a file by what it holds.
		name := fmt.Sprintf("%x", sha256.Sum256(data))[:16]
		if err := os.WriteFile(filepath.Join(to, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// one converts an input of a target that takes bytes.
func one(data []byte, toGo bool) ([]byte, error) {
	if toGo {
		return fmt.Appendf(nil, "go test fuzz v1\n[]byte(%q)\n", data), nil
	}
	values, err := fuzzfile.Parse(data)
	if err != nil {
		return nil, err
	}
	if len(values) == 1 {
		if in, ok := values[0].([]byte); ok {
			return in, nil
		}
	}
	return nil, fmt.Errorf("want one value of type []byte, have %d", len(values))
}

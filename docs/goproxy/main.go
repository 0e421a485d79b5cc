// Command goproxy fills a folder that serves this module to the go command, as
// GOPROXY=file://DIR, out of the checkout in which it is run: what a user of a
// release would get, before there is one.
//
//	go run ./docs/goproxy -o DIR [-version v0.2.0]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/zip"
)

func main() {
	out := flag.String("o", "", "the `DIR` to fill")
	version := flag.String("version", "v0.2.0", "the `VERSION` that the checkout is served as")
	flag.Parse()
	if err := fill(*out, ".", *version); err != nil {
		fmt.Fprintln(os.Stderr, "goproxy:", err)
		os.Exit(1)
	}
}

// fill writes the four files of a version of the module in a folder, in the layout
// of https://go.dev/ref/mod#goproxy-protocol.
func fill(out, checkout, version string) error {
	if out == "" {
		return errors.New("want a folder: -o DIR")
	}
	if !semver.IsValid(version) {
		return fmt.Errorf("-version %q: want one like v0.2.0", version)
	}
	text, err := os.ReadFile(filepath.Join(checkout, "go.mod"))
	if err != nil {
		return fmt.Errorf("%w; run it in the root of the checkout", err)
	}
	m := module.Version{Path: modfile.ModulePath(text), Version: version}
	escaped, err := module.EscapePath(m.Path)
	if err != nil {
		return fmt.Errorf("go.mod: %w", err)
	}
	dir := filepath.Join(out, filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	info := fmt.Sprintf(`{"Version":%q,"Time":%q}`+"\n", version, time.Now().UTC().Format(time.RFC3339))
	for name, data := range map[string]string{"list": version + "\n", version + ".info": info, version + ".mod": string(text)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			return err
		}
	}
	f, err := os.Create(filepath.Join(dir, version+".zip"))
	if err != nil {
		return err
	}
	// What lies in the folder, without the modules below it and .git.
	return errors.Join(zip.CreateFromDir(f, m, checkout), f.Close())
}

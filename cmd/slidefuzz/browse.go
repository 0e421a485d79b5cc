package main

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
)

// noBrowserError says that no browser could be asked to show a page.
type noBrowserError struct {
	path string
	err  error
}

func (e *noBrowserError) Error() string {
	return fmt.Sprintf("--open: no browser can be started here: %v; open %s yourself", e.err, e.path)
}

// openCommand is the command that opens a page in the browser of a user of this system.
func openCommand(goos, path string) []string {
	switch goos {
	case "darwin":
		return []string{"open", path}
	case "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler", path}
	}
	return []string{"xdg-open", path}
}

// browse opens a page.
func browse(ctx context.Context, path string) error {
	words := openCommand(runtime.GOOS, path)
	if err := exec.CommandContext(ctx, words[0], words[1:]...).Run(); err != nil {
		return &noBrowserError{path, fmt.Errorf("%s: %w", words[0], err)}
	}
	return nil
}

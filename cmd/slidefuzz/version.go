package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
)

var versionCommand = command{
	name:  "version",
	about: "print the version",
	long:  "Prints the versions of slidefuzz and of the Go toolchain that built it.",
	flags: func(*flag.FlagSet) action {
		return func(ctx context.Context, e *env, args []string) (int, error) {
			if len(args) > 0 {
				return 0, errors.New("takes nothing")
			}
			for _, line := range versions() {
				fmt.Fprintln(e.out, line)
			}
			return exitOK, nil
		}
	},
}

// moduleVersion is the module's version as the build has it.
func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return info.Main.Version
}

// buildVersion is the module's version, with the commit where it is known.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v, changed := info.Main.Version, ""
	if v == "" {
		v = "(devel)"
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			v += " " + s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = " with changes"
		}
	}
	return v + changed
}

// versions is what made a report; the first is slidefuzz itself.
func versions() []string {
	return []string{
		"slidefuzz " + buildVersion(),
		fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH),
	}
}

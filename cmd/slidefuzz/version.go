package main

import (
	"cmp"
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
	long: `
Prints the version of slidefuzz, as go install has it, or the commit of the
checkout that it was built from, and that of the Go toolchain.`,
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

// buildVersion is the tag or pseudo-version of a build of a module, as go install
// makes it, and the commit of a build of a checkout.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	commit, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+dirty"
		}
	}
	if commit != "" {
		return commit + changed
	}
	return cmp.Or(info.Main.Version, "(devel)") // as go run builds a checkout
}

// versions is what made a report; the first is slidefuzz itself.
func versions() []string {
	return []string{
		"slidefuzz " + buildVersion(),
		fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH),
	}
}

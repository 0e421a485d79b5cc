package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/props"
)

func targets(e *env, args []string) error {
	f := e.flags()
	asJSON := f.Bool("json", false, "print one JSON object a line: target, sound, racy, about")
	if rest, err := e.parse(f, args); err != nil || len(rest) > 0 {
		return orExtra(err, rest)
	}
	for _, t := range impls.Targets() {
		about := "a program on one buffer"
		if u, ok := impls.LookupUpdate(t.Update); ok {
			about = u.About
		} else if t.Update == "program" {
			about = "random in-place programs"
		}
		kind := "sound"
		if !t.Sound() {
			kind = "known-bad"
		}
		if *asJSON {
			err := json.NewEncoder(e.stdout).Encode(map[string]any{"target": t.String(), "sound": t.Sound(), "racy": t.Racy(), "about": about})
			if err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(e.stdout, "%-38s %-10s %s\n", t, kind, about)
	}
	if !*asJSON {
		for _, s := range props.Scenarios {
			fmt.Fprintf(e.stdout, "%-38s %-10s %s\n", s.Name, "scenario", s.About)
		}
	}
	return nil
}

func orExtra(err error, rest []string) error {
	if err == nil {
		err = fmt.Errorf("unexpected %q", rest[0])
	}
	return err
}

func doctor(e *env, args []string) error {
	f := e.flags()
	device := f.String("device", "", "end with status 3 unless these `devices` work, comma-separated")
	if rest, err := e.parse(f, args); err != nil || len(rest) > 0 {
		return orExtra(err, rest)
	}
	for _, v := range versions() {
		fmt.Fprintln(e.stdout, v)
	}
	fmt.Fprintf(e.stdout, "%d processors, GOMAXPROCS %d\n", runtime.NumCPU(), runtime.GOMAXPROCS(0))
	fmt.Fprintln(e.stdout, "sim     works: runs the blocks in the schedule's order")
	switch {
	case impls.RaceEnabled:
		fmt.Fprintln(e.stdout, "host    works, built with -race: a kernel with a conflict runs on one goroutine")
	case runtime.GOMAXPROCS(0) < 2:
		fmt.Fprintln(e.stdout, "host    works, on one processor: a race cannot show; set GOMAXPROCS to 2 or more")
	default:
		fmt.Fprintln(e.stdout, "host    works: runs the blocks on goroutines, in the machine's order")
	}
	fmt.Fprintln(e.stdout, "opencl  not in this build\ncuda    not in this build")
	for d := range strings.SplitSeq(*device, ",") {
		if d != "" && !slices.Contains(impls.Devices, d) {
			return fmt.Errorf("device %s: %w", d, errMissing)
		}
	}
	return nil
}

func version(e *env, args []string) error {
	if rest, err := e.parse(e.flags(), args); err != nil || len(rest) > 0 {
		return orExtra(err, rest)
	}
	for _, v := range versions() {
		fmt.Fprintln(e.stdout, v)
	}
	return nil
}

// versions is what a report needs to know of this build.
func versions() []string {
	v := "slidefuzz (devel)"
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			v = "slidefuzz " + info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v += " " + s.Value
			}
		}
	}
	return []string{v, runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH}
}

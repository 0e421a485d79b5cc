package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"text/tabwriter"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/caches"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

var targetsCommand = command{
	name:  "targets",
	args:  "[PATTERN …]",
	about: "list the built-in targets and scenarios",
	long: `
Lists the built-in targets: sound ones, which must agree with the oracle, and
known-bad ones, which must not. A PATTERN is one of hunt; go/* are the built-in
caches in Go.

--json prints an object a line: {"target","sound","racy","about"} with racy
where only a race is to blame, then {"scenario","about"}.`,
	flags: func(fs *flag.FlagSet) action {
		devices := deviceFlag(fs, "only targets on these devices: a comma-separated `LIST`")
		asJSON := fs.Bool("json", false, "print one object a line")
		return func(ctx context.Context, e *env, args []string) (int, error) {
			jobs, err := plan(args, devices, e.err)
			if err != nil {
				return 0, err
			}
			if *asJSON {
				return exitOK, targetsJSON(e, jobs, len(args) == 0)
			}
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			for _, j := range jobs {
				kind := "sound"
				if !j.target.Sound() {
					kind = "known-bad"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", j.target, kind, about(j.target))
			}
			if len(args) == 0 {
				for _, s := range corpus.Scenarios() {
					fmt.Fprintf(w, "%s\tscenario\t%s\n", s.Name, s.About)
				}
			}
			return exitOK, w.Flush()
		}
	},
}

func targetsJSON(e *env, jobs []job, scenarios bool) error {
	enc := json.NewEncoder(e.out)
	enc.SetEscapeHTML(false)
	for _, j := range jobs {
		err := enc.Encode(struct {
			Target string `json:"target"`
			Sound  bool   `json:"sound"`
			Racy   bool   `json:"racy"`
			About  string `json:"about"`
		}{j.target.String(), j.target.Sound(), j.target.Racy(), about(j.target)})
		if err != nil {
			return err
		}
	}
	if !scenarios {
		return nil
	}
	for _, s := range corpus.Scenarios() {
		err := enc.Encode(struct {
			Scenario string `json:"scenario"`
			About    string `json:"about"`
		}{s.Name, s.About})
		if err != nil {
			return err
		}
	}
	return nil
}

// about says what a target is in a few words.
func about(t window.Target) string {
	if i, ok := window.LookupCache(t.Update); ok && t.Device == window.Go {
		return aboutCache(i)
	}
	what := "random in-place programs, or a case file's own"
	if u, ok := window.LookupUpdate(t.Update); ok {
		what = u.About
	} else if p, ok := window.BuiltinProgram(t.Update, 4); ok {
		what = p.Stmts[0].String() + ", for any window"
	}
	switch {
	case t.Sound() || t.Lowering.Sound(): // then it is the update that is bad
	case t.Lowering == inplace.DropWAR:
		what += "; reads a row that it overwrites (pytorch#159855)"
	case t.Lowering == inplace.DropClone:
		what += "; drops a clone (pytorch#197829)"
	default:
		what += fmt.Sprintf("; %s (%s)", t.Lowering.About(), t.Lowering.Issue())
	}
	return what
}

// aboutCache says what a built-in cache in Go is, and where such a one is found.
func aboutCache(i caches.Info) string {
	what := i.About
	if i.Base != "" {
		what = i.Base + ": " + what
	}
	if i.Reference != "" {
		what += " (" + i.Reference + ")"
	}
	return what
}

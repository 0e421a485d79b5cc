package worker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The bounds of what hello says of programs: a header of a MiB holds the text of some
// hundred programs, and more calls of one compilation than eight show nothing
// new, since compilers that change their mind do it at the second or third.
const (
	maxAtOnce  = 256
	maxRuns    = 8
	maxGrammar = 2
)

// parsePrograms reads what hello says of programs.
func (h *Hello) parsePrograms(meta map[string]string) (err error) {
	for _, x := range []struct {
		key  string
		most int
		to   *int
	}{{"programs_at_once", maxAtOnce, &h.ProgramsAtOnce}, {"grammar", maxGrammar, &h.Grammar}, {"runs", maxRuns, &h.Runs}} {
		text, ok := meta[x.key]
		if !ok {
			continue
		}
		if *x.to, err = parseCount(text, 1); err != nil || *x.to > x.most {
			return fmt.Errorf("%s %q: want a number from 1 to %d", x.key, text, x.most)
		}
	}
	if h.Runs > 1 && h.Grammar < 2 {
		return fmt.Errorf("runs %d: a worker that wants more than one takes grammar 2 too", h.Runs)
	}
	if text, ok := meta["variants"]; ok {
		for name := range strings.SplitSeq(text, ",") {
			name = strings.TrimSpace(name)
			if name == "" || slices.Contains(h.Variants, name) {
				return fmt.Errorf("variants %q: want names, comma-separated, each once", text)
			}
			h.Variants = append(h.Variants, name)
		}
	}
	return nil
}

// Calls is how often the worker calls what it compiled: Runs, or once.
func (h *Hello) Calls() int { return max(1, h.Runs) }

// above is a number as hello has it, empty where it is what holds without it.
func above(n, usual int) string {
	if n <= usual {
		return ""
	}
	return strconv.Itoa(n)
}

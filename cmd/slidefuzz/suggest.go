package main

import (
	"flag"
	"slices"
	"strings"
)

// near are the words that are as close to what was typed as any is, at most
// three of them; none where even those are too far off to be what was meant.
func near(typed string, words []string) []string {
	// One mistake in three letters: at more, short words are close to anything.
	best := max(1, len([]rune(typed))/3)
	var found []string
	for _, w := range words {
		switch d := distance(typed, w); {
		case d < best:
			best, found = d, []string{w}
		case d == best:
			found = append(found, w)
		}
	}
	return found[:min(3, len(found))]
}

// didYouMean is near in brackets, for an error message; empty without a word.
func didYouMean(typed string, words []string) string {
	found := near(typed, words)
	if len(found) == 0 {
		return ""
	}
	return " (did you mean " + strings.Join(found, " or ") + "?)"
}

// distance is the number of letters put in, left out, changed for another or
// changed places with the next that make one word of the other (optimal string
// alignment). Case does not count.
func distance(a, b string) int {
	x, y := []rune(strings.ToLower(a)), []rune(strings.ToLower(b))
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range y {
			changed := last[j]
			if x[i] != y[j] {
				changed++
			}
			row[j+1] = min(changed, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(y)]
}

// flagError says of a flag that nobody knows which was meant; any other error is
// as it was.
func flagError(fs *flag.FlagSet, err error) string {
	// The words of package flag, which has no error value for it.
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown {
		return err.Error()
	}
	var names []string
	for _, f := range listed(fs) {
		names = append(names, dashed(f.Name))
	}
	return "there is no flag " + dashed(name) + didYouMean(dashed(name), names)
}

// listed are the flags that help shows. One without a text is an older name of
// another, read and not shown.
func listed(fs *flag.FlagSet) (all []*flag.Flag) {
	fs.VisitAll(func(f *flag.Flag) {
		if f.Usage != "" {
			all = append(all, f)
		}
	})
	return all
}

// dashed is a flag as it is typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// commandNames are the names of all commands, groups and help among them.
func commandNames() []string {
	names := []string{"help"}
	for _, c := range commands() {
		names = append(names, c.name)
		if group, _, ok := strings.Cut(c.name, " "); ok && !slices.Contains(names, group) {
			names = append(names, group)
		}
	}
	return names
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"path"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/hunt"
	"github.com/slidefuzz/slidefuzz/props/run"
)

var bugsCommand = command{
	name:  "bugs",
	args:  "[PATTERN …]",
	about: "the kill matrix: how soon each planted bug is caught",
	long: `
Plants one bug of a real cache after the other and runs the properties' draws on it,
for seeds 1 to N, until each has caught it; shrinks what the first three found, and
runs the smallest case 100 times. A PATTERN is a target, as go/ring-* or */drop-war/sim.
-o writes the table that docs/bugs.md is.

--json prints an object a bug: {"event":"bug","id","target","reference",
"mechanism","base","contract","racy","at","median","worst","case","divergence",
"minimal","replayed","replays","elapsed_ms"}, with "at" the case that caught it for
each seed, 0 for none, "with" the same of --corpus, and "fuzzed" the executions of each
run of --fuzz alike.

With --corpus each seed first hunts 2000 cases in the sound target that the bug is
planted in, and keeps what hunt --corpus does; then the bug is hunted from that too.

Exit status: 1 where a seed did not catch a bug, or a smallest case did not fail
each time; 3 where --fuzz has no Go or no checkout.`,
	flags: bugsFlags,
}

// replays is how often the smallest case of a bug is run again.
const replays = 100

func bugsFlags(fs *flag.FlagSet) action {
	seeds := fs.Int("seeds", 20, "seeds 1 to `N`")
	cases := fs.Int("cases", 10_000, "at most `N` cases a seed")
	out := fs.String("o", "", "write the table to `FILE`, as Markdown")
	asJSON := fs.Bool("json", false, "print one object a line")
	fuzz := fs.Bool("fuzz", false, "in a checkout, also go test -fuzz without seeds: 5 runs of 100,000 executions each")
	results := fs.String("fuzz-results", "", "instead of --fuzz: `FILE` is what docs/bench/bugsfuzz.sh printed")
	corpusDir := fs.String("corpus", "", "also from the corpora of earlier hunts in the sound targets, which are made in `DIR`, a new or empty folder")
	list := fs.Bool("list", false, "print the names alone, run nothing")
	return func(ctx context.Context, e *env, args []string) (status int, err error) {
		if *seeds < 1 || *cases < 1 {
			return 0, fmt.Errorf("--seeds %d, --cases %d: want at least 1", *seeds, *cases)
		}
		bugs, err := matchBugs(args)
		if err != nil {
			return 0, err
		}
		if *list {
			for _, bug := range bugs {
				fmt.Fprintln(e.out, bug.Target)
			}
			return exitOK, nil
		}
		m := matrix{corpus: *corpusDir, seeds: *seeds, cases: *cases, fuzz: *fuzz || *results != "", results: *results}
		var f *fuzzer
		var fuzzed map[string][]int
		switch {
		case *fuzz && *results != "":
			return 0, errors.New("--fuzz and --fuzz-results: want one of them")
		case *results != "":
			if fuzzed, err = readFuzzed(*results); err != nil {
				return 0, err
			}
			for _, bug := range bugs {
				if fuzzed[bug.Target.String()] == nil {
					return 0, fmt.Errorf("%s: %s was not fuzzed", *results, bug.Target)
				}
			}
		case *fuzz:
			if f, err = newFuzzer(ctx); err != nil {
				return statusOfFuzzer(err), err
			}
			defer func() { err = errors.Join(err, f.Close()) }()
		}
		b := run.Local()
		if *corpusDir != "" {
			if err := gather(ctx, *corpusDir, bugs, *seeds, e.complain); err != nil {
				return 0, err
			}
		}
		for _, bug := range bugs {
			o := hunt.KillOptions{Seeds: *seeds, Cases: *cases, Replays: replays}
			if *corpusDir != "" {
				o.Corpus = func(_ context.Context, seed int) (hunt.Corpus, error) {
					return corpusFor(*corpusDir, seed, bug.SoundTarget(), e.complain)
				}
			}
			k, err := hunt.KillBug(ctx, b, bug, o)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", bug.Target, err)
			}
			x := kill{Kill: k, fuzzed: fuzzed[bug.Target.String()]}
			if f != nil {
				if x.fuzzed, err = f.until(ctx, bug); err != nil {
					return 0, err
				}
			}
			m.kills = append(m.kills, x)
			if err := m.print(e, &x, *asJSON); err != nil {
				return 0, err
			}
		}
		if !*asJSON {
			fmt.Fprintln(e.out, m.summary())
			if text := m.withSummary(); text != "" {
				fmt.Fprintln(e.out, text)
			}
		}
		if *out != "" {
			if err := corpus.WriteFile(*out, m.markdown(len(args) == 0)); err != nil {
				return 0, err
			}
		}
		if m.bad() > 0 {
			return exitUnexpected, nil
		}
		return exitOK, nil
	}
}

// matchBugs finds the planted bugs of targets or patterns, all for none.
func matchBugs(patterns []string) (found []window.Bug, err error) {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return nil, fmt.Errorf("%q: bad pattern; want one like go/ring-*", p)
		}
	}
	for _, b := range window.Bugs() {
		ok := len(patterns) == 0
		for _, p := range patterns {
			matches, _ := path.Match(p, b.Target.String())
			ok = ok || matches
		}
		if ok {
			found = append(found, b)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no planted bug is called %s; slidefuzz targets lists them as known-bad", strings.Join(patterns, " or "))
	}
	return found, nil
}

// matrix is the kill matrix so far.
type matrix struct {
	seeds, cases int
	corpus       string // the folder of --corpus, "" without
	fuzz         bool
	results      string // the file of what fuzzing found, where it was not run here
	kills        []kill
}

// kill is how a bug was caught by properties, and by fuzzing where that was asked for.
type kill struct {
	hunt.Kill
	fuzzed []int // executions of each run, 0 where it did not catch it
}

// statusOfFuzzer is the exit status of an error that leaves nothing to fuzz with.
func statusOfFuzzer(err error) int {
	if errors.Is(err, errNoGo) {
		return exitMissing
	}
	return exitUsage
}

// bad is how many bugs a seed missed, or whose smallest case did not fail each time.
func (m *matrix) bad() int {
	n := 0
	for i := range m.kills {
		if k := &m.kills[i]; k.Missed() > 0 || k.Failed < k.Replays {
			n++
		}
	}
	return n
}

func (m *matrix) summary() string {
	median, worst := 0, 0
	for i := range m.kills {
		median, worst = max(median, m.kills[i].Median()), max(worst, m.kills[i].Worst())
	}
	text := corpus.Plural(len(m.kills), "planted bug") + ", " + corpus.Plural(m.seeds, "seed")
	if n := m.bad(); n > 0 {
		return fmt.Sprintf("%s of at most %s: %d not caught by every seed, or not each time", text, corpus.Plural(m.cases, "case"), n)
	}
	return fmt.Sprintf("%s: each caught, in at most %s (median of the slowest %d)", text, corpus.Plural(worst, "case"), median)
}

func (m *matrix) print(e *env, k *kill, asJSON bool) error {
	if asJSON {
		return printKill(e, k)
	}
	fuzzed := ""
	if m.fuzz {
		fuzzed = "; fuzzed: " + fuzzWords(k.fuzzed)
	}
	fmt.Fprintf(e.out, "%s: %s%s%s\n", k.Bug.Target, killWords(k), withWords(k), fuzzed)
	return nil
}

// killWords is how a bug was caught.
func killWords(k *kill) string {
	if k.Small == nil {
		return fmt.Sprintf("NOT CAUGHT by %d of %d seeds", k.Missed(), len(k.At))
	}
	text := fmt.Sprintf("caught at case %d, %d at worst: %s", k.Median(), k.Worst(), caseWords(k))
	if n := k.Missed(); n > 0 {
		text = fmt.Sprintf("NOT CAUGHT by %d of %d seeds: %s", n, len(k.At), caseWords(k))
	}
	if k.Failed < k.Replays {
		text += fmt.Sprintf("; failed %d of %d times", k.Failed, k.Replays)
	}
	return text
}

// caseWords is the smallest case in a line: what concerns a cache, and the order of
// blocks where that decides.
func caseWords(k *kill) string {
	c := k.Small
	text := c.Short()
	if k.Bug.Racy {
		text += fmt.Sprintf("; block %d; schedule %s", c.Block, c.Schedule)
	}
	return text
}

func printKill(e *env, k *kill) error {
	enc := json.NewEncoder(e.out)
	enc.SetEscapeHTML(false)
	x := struct {
		Event      string `json:"event"`
		ID         string `json:"id"`
		Target     string `json:"target"`
		Reference  string `json:"reference"`
		Mechanism  string `json:"mechanism"`
		Base       string `json:"base"`
		Contract   string `json:"contract"`
		Racy       bool   `json:"racy"`
		At         []int  `json:"at"`
		Median     int    `json:"median"`
		Worst      int    `json:"worst"`
		Case       string `json:"case"`
		Divergence string `json:"divergence"`
		Minimal    bool   `json:"minimal"`
		Replayed   int    `json:"replayed"`
		Replays    int    `json:"replays"`
		Elapsed    int64  `json:"elapsed_ms"`
		With       []int  `json:"with,omitempty"`
		Fuzzed     []int  `json:"fuzzed,omitempty"`
	}{
		Event: "bug", ID: k.Bug.ID, Target: k.Bug.Target.String(), Reference: k.Bug.Reference, Mechanism: k.Bug.Mechanism, Base: k.Bug.Base,
		Contract: k.Bug.Contract, Racy: k.Bug.Racy, At: k.At, Median: k.Median(), Worst: k.Worst(), Minimal: k.Minimal,
		Replayed: k.Failed, Replays: k.Replays, Elapsed: k.Elapsed.Milliseconds(), With: k.With, Fuzzed: k.fuzzed,
	}
	if k.Small != nil {
		x.Case, x.Divergence = string(k.Small.Text()), k.Divergence.String()
	}
	return enc.Encode(x)
}

// command is what writes the matrix.
func (m *matrix) command() string {
	text := fmt.Sprintf("slidefuzz bugs --seeds %d --cases %d -o docs/bugs.md", m.seeds, m.cases)
	if m.corpus != "" {
		text += " --corpus NEW"
	}
	switch {
	case m.results != "":
		text += " --fuzz-results FILE   # of docs/bench/bugsfuzz.sh"
	case m.fuzz:
		text += " --fuzz"
	}
	return text
}

// markdown is the matrix as docs/bugs.md; whole says that it has all bugs.
func (m *matrix) markdown(whole bool) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `# The kill matrix

Bugs of real caches, planted one at a time in a sound one, and how soon the properties'
draws catch each. Made by:

%s
%s
%s

The first column numbers the reports by kind: A overlapping memory, B going round wrongly,
C several tokens at once, D going back, E counters, layers, layout and types, F what an
earlier version of this suite did not draw, G batch entries, H compilers. "By schedule"
means that the order of the blocks decides whether it shows, and the case has that order.
"Caught at" is the number of the case that caught it, the median and the worst of
%s; "again" is how often the smallest case failed of so many runs. "Proven" says
that no smaller case shows it, as far as all smaller ones can be tried.
%s.
`, "```", m.command(), "```", corpus.Plural(m.seeds, "seed"), strings.ToUpper(m.summary()[:1])+m.summary()[1:])
	if m.fuzz {
		fmt.Fprintf(&b, "\n\"Fuzzed\" is the executions until go test -fuzz caught it without seeds, with the\nseeds 1 to %d, at most %d, \"-\" for a run that did not.\n", fuzzRuns, fuzzExecutions)
	}
	if text := m.withSummary(); text != "" {
		fmt.Fprintf(&b, `
"With a corpus" is the same where hunt --corpus goes on from what an earlier hunt kept of
%d cases in the sound target that the bug is planted in: one that never saw the bug,
another for each seed, whose cases are not counted. %s.
`, gatherCases, text)
	}
	head := []string{"", "bug", "seen in", "what goes wrong", "caught at", "smallest case", "again"}
	if m.corpus != "" {
		head = append(head, "with a corpus")
	}
	if m.fuzz {
		head = append(head, "fuzzed")
	}
	fmt.Fprintf(&b, "\n| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for i := range m.kills {
		k := &m.kills[i]
		name, at, small := fmt.Sprintf("`%s`", k.Bug.Target), fmt.Sprintf("%d, %d", k.Median(), k.Worst()), ""
		if k.Bug.Racy {
			name += ", by schedule"
		}
		if n := k.Missed(); n > 0 {
			at = fmt.Sprintf("missed by %d of %d seeds", n, len(k.At))
		}
		if k.Small != nil {
			if small = "`" + caseWords(k) + "`"; k.Minimal {
				small += ", proven"
			}
		}
		again := fmt.Sprintf("%d of %d", k.Failed, k.Replays)
		if m.corpus != "" {
			again += " | " + withCell(k)
		}
		if m.fuzz {
			again += " | " + fuzzWords(k.fuzzed)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s: %s | %s | %s | %s |\n", k.Bug.ID, name, links(k.Bug.Reference), k.Bug.Base, k.Bug.Mechanism, at, small, again)
	}
	if whole {
		b.WriteString("\n## Not planted\n\n| | seen in | what goes wrong | why it is not planted |\n|---|---|---|---|\n")
		for _, u := range window.UnplantedBugs() {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", u.ID, links(u.Reference), u.Mechanism, u.Why)
		}
	}
	return b.Bytes()
}

// links makes references of whose repository the owner is known links, which GitHub
// leads on to the pull request where a number is one.
func links(references string) string {
	list := strings.Split(references, ", ")
	for i, ref := range list {
		repo, number, issue := strings.Cut(ref, "#")
		if strings.Contains(repo, "/") && issue {
			list[i] = fmt.Sprintf("[%s](https://github.com/%s/issues/%s)", ref, repo, number)
		}
	}
	return strings.Join(list, ", ")
}

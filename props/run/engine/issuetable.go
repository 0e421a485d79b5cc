package engine

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// IssueTable is what the test of pytorch#159855 came to with one attention.
type IssueTable struct {
	Attention string     `json:"attention"`
	Version   string     `json:"version"`
	Device    string     `json:"device"`
	Rows      []IssueRow `json:"rows"`
}

// IssueRow is some runs of one update, eager or compiled, in one checkpoint.
type IssueRow struct {
	Arch    string `json:"arch"`
	DType   string `json:"dtype"`
	Window  int    `json:"window"`
	Variant string `json:"variant"`
	// Checkpoint is what else makes the checkpoint again, nil where the test did not come
	// so far, and in tables that were written before it was there.
	Checkpoint *IssueCheckpoint `json:"checkpoint,omitempty"`
	// Runs that were judged, those that were wrong, and how many different logits all of
	// them gave, bit for bit. Decoded are the different lists of ids that were decoded.
	Runs    int      `json:"runs"`
	Wrong   int      `json:"wrong"`
	Logits  int      `json:"logits"`
	Decoded []string `json:"decoded"`
	// Steps are the forwards that were judged, Undecided those of them that were too far
	// from whole numbers, Worst how far the others' counts were at most.
	Steps     int     `json:"steps"`
	Undecided int     `json:"undecided"`
	Worst     float64 `json:"worst"`
	// Equality: counts were not judged, since the sound run is too far from whole
	// numbers; a run is wrong where it decodes other tokens than the sound one.
	Equality bool    `json:"equality,omitempty"`
	First    string  `json:"first,omitempty"`   // the first divergence, in words
	NotRun   string  `json:"not_run,omitempty"` // why there are not all the runs
	Seconds  float64 `json:"seconds"`
}

// IssueCheckpoint is the checkpoint of a row, beside its architecture, element type and
// window.
type IssueCheckpoint struct {
	Kind    string `json:"kind"`
	Layers  int    `json:"layers"`
	Heads   int    `json:"heads"` // of queries
	KVHeads int    `json:"kv"`
	Dim     int    `json:"dim"` // elements of a head
	Seed    uint64 `json:"seed"`
	// Command writes it into the folder DIR.
	Command string `json:"command"`
}

// checkpointOf names a checkpoint for who reads the table.
func checkpointOf(m corpus.WindowModel) *IssueCheckpoint {
	return &IssueCheckpoint{
		Kind: m.Kind, Layers: m.Layers, Heads: m.Heads, KVHeads: m.KVHeads, Dim: m.Dim, Seed: m.Seed,
		Command: "slidefuzz engine checkpoint ./checkpoint " + m.Flags(),
	}
}

// Unexpected reports whether the row is a finding, or missing. The canary is neither.
func (r *IssueRow) Unexpected() bool {
	return r.Variant != issueCanary && (r.Wrong > 0 || r.NotRun != "")
}

// String is the row in a line.
func (r *IssueRow) String() string {
	return fmt.Sprintf("%s %s, window %d, %s: %s (%.0f s)", r.Arch, r.DType, r.Window, r.Variant, r.words(), r.Seconds)
}

func (r *IssueRow) words() string {
	if r.NotRun != "" {
		return "not run: " + r.NotRun
	}
	if r.Variant == issueCanary {
		if r.Wrong == 0 {
			return fmt.Sprintf("canary right in %d runs: this torch has it mended, or this device does not show it", r.Runs)
		}
		return fmt.Sprintf("canary wrong in %d of %d runs, as it must be, %d different logits", r.Wrong, r.Runs, r.Logits)
	}
	s := fmt.Sprintf("right in %d runs", r.Runs)
	if r.Wrong > 0 {
		s = fmt.Sprintf("WRONG in %d of %d runs", r.Wrong, r.Runs)
	}
	s += fmt.Sprintf(", %d different logits", r.Logits)
	if r.Equality {
		return s + ", equality alone"
	}
	if r.Undecided > 0 {
		s += fmt.Sprintf(", %d of %d steps undecided", r.Undecided, r.Steps)
	}
	return s + fmt.Sprintf(", counts at most %.2g from whole numbers", r.Worst)
}

// cell is the row in a table.
func (r *IssueRow) cell() string {
	switch {
	case r == nil:
		return "–"
	case r.NotRun != "":
		return "not run"
	case r.Wrong > 0:
		return fmt.Sprintf("**wrong %d/%d**, %d", r.Wrong, r.Runs, r.Logits)
	}
	return fmt.Sprintf("right %d/%d, %d", r.Runs, r.Runs, r.Logits)
}

// WriteIssue writes the tables of some attentions as one, in Markdown, and what it claims
// below it. ok is false where a row is unexpected or missing, or attentions decode other
// tokens. A checkpoint of which an attention has no row is one that it does not take.
func WriteIssue(w io.Writer, tables []*IssueTable) (ok bool, err error) {
	j := joined{tables: tables, ok: true}
	j.head()
	for _, m := range j.models() {
		j.model(m)
	}
	j.notes()
	_, err = io.WriteString(w, j.text.String())
	return j.ok, err
}

// issueModel is what rows have in common that can be compared.
type issueModel struct {
	arch, dtype string
	window      int
}

func (r *IssueRow) model() issueModel { return issueModel{r.Arch, r.DType, r.Window} }

func (t *IssueTable) has(m issueModel) bool {
	return slices.ContainsFunc(t.Rows, func(r IssueRow) bool { return r.model() == m })
}

// joined is a table under way.
type joined struct {
	tables  []*IssueTable
	text    strings.Builder
	missing []string // rows that others have, in words
	ok      bool
}

func (j *joined) say(format string, args ...any) { fmt.Fprintf(&j.text, format+"\n", args...) }

func (j *joined) head() {
	var names, bars []string
	for _, t := range j.tables {
		names, bars = append(names, t.Attention), append(bars, "---")
	}
	j.say("| checkpoint | update, mode | %s |", strings.Join(names, " | "))
	j.say("|---|---|%s|", strings.Join(bars, "|"))
}

// each calls do with all rows.
func (j *joined) each(do func(t *IssueTable, r *IssueRow)) {
	for _, t := range j.tables {
		for i := range t.Rows {
			do(t, &t.Rows[i])
		}
	}
}

func (j *joined) models() (all []issueModel) {
	j.each(func(_ *IssueTable, r *IssueRow) {
		if !slices.Contains(all, r.model()) {
			all = append(all, r.model())
		}
	})
	return all
}

// model is the lines of a checkpoint.
func (j *joined) model(m issueModel) {
	var variants []string
	j.each(func(_ *IssueTable, r *IssueRow) {
		if r.model() == m && !slices.Contains(variants, r.Variant) && r.Variant != issueCanary {
			variants = append(variants, r.Variant)
		}
	})
	slices.Sort(variants)
	for _, v := range append(variants, issueCanary) {
		var cells []string
		for _, t := range j.tables {
			var row *IssueRow
			if i := slices.IndexFunc(t.Rows, func(r IssueRow) bool { return r.model() == m && r.Variant == v }); i >= 0 {
				row = &t.Rows[i]
			} else if t.has(m) && v != issueCanary {
				j.missing = append(j.missing, fmt.Sprintf("%s, %s %s, window %d, %s", t.Attention, m.arch, m.dtype, m.window, v))
			}
			cells = append(cells, row.cell())
		}
		j.say("| %s %s, W=%d | %s | %s |", m.arch, m.dtype, m.window, v, strings.Join(cells, " | "))
	}
}

// notes says what the cells mean, what was claimed, and what was not as it must be.
func (j *joined) notes() {
	j.say("\nRuns that were right or wrong, of how many, and the number of different logits among them, bit for bit.\n")
	for _, t := range j.tables {
		j.say("- %s: %s on %s", t.Attention, t.Version, t.Device)
		if len(t.Rows) == 0 {
			j.missing = append(j.missing, t.Attention+", all rows")
		}
	}
	for _, row := range j.missing {
		j.ok = false
		j.say("- **%s: missing, the test did not come so far**", row)
	}
	decoded := map[issueModel][]string{}
	j.each(func(t *IssueTable, r *IssueRow) {
		if r.Variant == issueSound {
			switch {
			case r.NotRun != "":
			case r.counted():
				j.say("- %s, %s %s: counts are judged; those of the sound eager runs are at most %.2g from whole numbers, under %.1f", t.Attention, r.Arch, r.DType, r.Worst, judge.EngineMargin)
			default:
				j.say("- %s, %s %s: the sound eager runs are too far from whole numbers (%d of %d steps): equality of runs and of attentions is claimed, nothing else", t.Attention, r.Arch, r.DType, r.Undecided, r.Steps)
			}
			for _, ids := range r.Decoded {
				if !slices.Contains(decoded[r.model()], ids) {
					decoded[r.model()] = append(decoded[r.model()], ids)
				}
			}
		}
		if r.Variant == issueCanary {
			j.say("- %s, %s %s: %s", t.Attention, r.Arch, r.DType, r.words())
			return
		}
		if r.Unexpected() {
			j.ok = false
			j.say("- **%s, %s**", t.Attention, r.String())
			if r.First != "" {
				j.say("  - %s", r.First)
			}
		}
	})
	for _, m := range j.models() {
		switch n := len(decoded[m]); {
		case n == 1:
			j.say("- %s %s: all attentions decode the same %d tokens", m.arch, m.dtype, strings.Count(decoded[m][0], ",")+1)
		case n > 1:
			j.ok = false
			j.say("- **%s %s: attentions or runs decode %d different lists of tokens**", m.arch, m.dtype, n)
		}
	}
	var commands []string
	j.each(func(_ *IssueTable, r *IssueRow) {
		if r.Checkpoint != nil && !slices.Contains(commands, r.Checkpoint.Command) {
			commands = append(commands, r.Checkpoint.Command)
			what := "its updates"
			if r.Variant == issueCanary {
				what = "its canary"
			}
			j.say("- %s %s, W=%d, the checkpoint of %s: `%s`", r.Arch, r.DType, r.Window, what, r.Checkpoint.Command)
		}
	})
	j.say("- Identities repeat in a prompt this long: how often each is seen is judged, which of its tokens is not.")
}

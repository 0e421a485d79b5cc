package corpus

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// Fault is what went wrong.
type Fault string

// EngineFaults lists those of an engine alone: what a query sees that it must not, or
// does not see.
func EngineFaults() []Fault { return slices.Clone(engineFaults) }

var engineFaults = []Fault{FaultForeign, FaultStale, FaultFuture, FaultPadding, FaultAdded, FaultEmpty, FaultMissing, FaultCounts, FaultKeys, FaultPaired, FaultPosition, FaultLogits}

// The faults of engines.
const (
	FaultForeign  Fault = "foreign"  // a query sees a token of another request
	FaultStale    Fault = "stale"    // a query sees a token that left the window, was cropped off or is of a request that ended
	FaultFuture   Fault = "future"   // a query sees a token that comes after it, or that nobody has
	FaultPadding  Fault = "padding"  // a query sees padding
	FaultEmpty    Fault = "empty"    // a query sees rows that hold no token
	FaultMissing  Fault = "missing"  // a query does not see a token that it must see
	FaultCounts   Fault = "counts"   // a query sees the right tokens, and not each as often as it must
	FaultAdded    Fault = "added"    // a query sees a token that the engine added itself
	FaultKeys     Fault = "keys"     // the key of a token is not what was computed
	FaultPaired   Fault = "paired"   // a lookup finds another token's values with a token's keys
	FaultPosition Fault = "position" // a token is not at the distance where it must be
	FaultLogits   Fault = "logits"   // logits that are no numbers, or of another vocabulary
)

// The faults. Only FaultRows has a row and may have a hazard.
const (
	FaultRows     Fault = "rows"      // a row holds something else than the oracle says
	FaultShape    Fault = "shape"     // another number of rows, another shape
	FaultVisible  Fault = "visible"   // a query attends to what it must not see, or not to what it must
	FaultGrows    Fault = "unbounded" // the rows that are returned grow with the tokens
	FaultAccepted Fault = "accepted"  // a chunk that the contract refuses was taken
	FaultRefused  Fault = "refused"   // a chunk that the contract allows was refused
	FaultChanged  Fault = "changed"   // a refused operation changed the cache
	FaultCaller   Fault = "caller"    // the caller's tensors were changed
	FaultMoved    Fault = "moved"     // the buffer that is returned has another address
	FaultPanic    Fault = "panic"     // the cache panicked
	FaultCrash    Fault = "crash"     // the process of a device or worker ended, or its driver reported an error
	FaultHang     Fault = "hang"      // a device or worker did not answer in time
	FaultProtocol Fault = "protocol"  // a worker answered what its protocol does not allow
)

// OfProcess reports whether a fault ended or misled what runs the case, so that nothing is
// known of rows.
func (f Fault) OfProcess() bool { return f == FaultCrash || f == FaultHang || f == FaultProtocol }

var faults = []Fault{
	FaultRows, FaultShape, FaultVisible, FaultGrows, FaultAccepted, FaultRefused, FaultChanged, FaultCaller, FaultMoved, FaultPanic, FaultCrash, FaultHang, FaultProtocol,
	FaultForeign, FaultStale, FaultFuture, FaultPadding, FaultAdded, FaultEmpty, FaultMissing, FaultCounts, FaultKeys, FaultPaired, FaultPosition, FaultLogits,
}

// Expect is the outcome that a case file promises.
type Expect struct {
	OK     bool
	Op     int // counted from 1; for a program the statement
	Tensor string
	Fault  Fault
	Hazard inplace.HazardKind
	Rate   Rate
}

// Rate says how often a case failed whose order of blocks is the device's own.
// Of is 0 where nobody counted.
type Rate struct{ Wrong, Of int }

// maxRate bounds the runs of a rate.
const maxRate = 1_000_000

func (e Expect) String() string {
	s := "ok"
	switch {
	case e.OK:
	case e.Fault != FaultRows:
		s = fmt.Sprintf("op=%d tensor=%s fault=%s", e.Op, e.Tensor, e.Fault)
	default:
		s = fmt.Sprintf("op=%d tensor=%s hazard=%s", e.Op, e.Tensor, e.Hazard)
	}
	if e.Rate.Of > 0 {
		s += fmt.Sprintf(" rate=%d/%d", e.Rate.Wrong, e.Rate.Of)
	}
	return s
}

// Divergence is the first step where a target and the oracle differ.
type Divergence struct {
	Op     int    // counted from 1; for a program the statement
	OpKind string // "append", …; for a program "statement"
	Tensor string // "keys", "values" or a program's buffer; "-" where none is to blame
	// Where is "stored" or "returned"; of a worker that calls what it compiled more than
	// once, also by which call.
	Where  string
	Fault  Fault
	Lane   int
	Row    int
	Elem   int
	Want   string // what the row should hold, in words
	Got    string // what it holds
	Detail string // for the faults without a row
	Stack  string // of a panic in this process, from the cache's call that panicked on
	Wrong  int    // cells of the tensor that are wrong
	Race   *Race  // the hazard behind it, if there is one
	Runs   *Runs  // of a device that orders the blocks itself, or a worker; nil where nobody counted
	// Sim is, where the order of the blocks was the device's own, the same
	// failure as a case on sim, whose order fails each time: of a worker's
	// program under a known-bad lowering. Race is then sim's. Nil where none
	// fails.
	Sim *Case
	// Seen is the rows around the wrong one, SimSeen those of Sim; nil where nobody
	// saw them.
	Seen, SimSeen *Seen
	// Said is what the cache said to each operation, as far as that is known, and
	// Before what a program's buffers should hold after each statement.
	Said   []Said
	Before []Held
	// Attended is, of an engine, what the query saw and must see, for the table of a
	// report. Nil where nobody can say.
	Attended []Attended
	// Given is, of an engine, the ids of tokens that each forward gave to requests until
	// then, a line each.
	Given []string
	// Under is, of an engine that knows its caches, what lay under the wrong query. Nil
	// where nobody can say.
	Under *Under
	// Smallest is, of a worker, the smallest case that failed, where that failed
	// too rarely to be the one reported. Nil where it is the one reported.
	Smallest *Case
	// Batch is, of a fault of several programs that ran together, all of them as a case.
	// Nil where the case of the divergence has them.
	Batch *Case
}

// like is the lowering under which sim fails too, Eager where none does.
func (d *Divergence) like() inplace.Lowering {
	if d.Sim == nil {
		return inplace.Eager
	}
	return d.Sim.Target.Lowering
}

// Under is the rows of a cache that a query attended to.
type Under struct {
	Rows  string // a line for each: its place, its position, and whose it is
	Cache string // what was done to the cache, as the text of a case of it alone
}

// Sound says whether the cache is one that should be right: then its case alone passes, and
// the fault lies elsewhere.
func (u *Under) Sound() bool {
	c, err := Parse("cache.txt", []byte(u.Cache), DefaultLimit)
	return err == nil && c.Target.Sound()
}

// Attended is how often a query saw some token, by its name in words, and how often it
// must see it.
type Attended struct {
	Token     string
	Want, Got int
}

// WholeCase is the OpKind of a fault that no one operation is to blame for.
const WholeCase = "case"

// AmongOthers is the OpKind of a fault of several programs that ran together, which none of
// them shows alone as far as anybody has looked. It is of a case that has them all, or is
// given to one of them, and has them in Batch.
const AmongOthers = "programs together"

// Runs counts the outcomes of repeated runs of one case. The divergence that
// it belongs to is the first one's.
type Runs struct {
	Of, Wrong   int // runs that came to their end, those that diverged
	Least, Most int // wrong cells of a run that diverged
	Different   int // different results among those, 0 where nobody compared
	// Lost counts the runs that said nothing, for the worker ended, hung or answered
	// nonsense, where the divergence is another one: none of Of.
	Lost int
}

// Add counts a run that diverged in that many cells.
func (r *Runs) Add(cells int) {
	if r.Wrong++; r.Wrong == 1 {
		r.Least, r.Most = cells, cells
	}
	r.Least, r.Most = min(r.Least, cells), max(r.Most, cells)
}

func (r *Runs) String() string {
	s := r.often()
	if lost := r.LostText(); lost != "" {
		s += "; " + lost
	}
	return s
}

// often is String without what was lost.
func (r *Runs) often() string {
	switch {
	case r.Of == 0:
		return "wrong when it was found, and no run since came to its end"
	case r.Wrong == 0:
		return fmt.Sprintf("wrong when it was found, and in none of %s since", Plural(r.Of, "run"))
	case r.Most == 0: // it failed without a wrong cell
		return fmt.Sprintf("wrong in %d of %s", r.Wrong, Plural(r.Of, "run"))
	}
	wrong := Cells(r.Most)
	if r.Most != r.Least {
		wrong = fmt.Sprintf("%d to %s", r.Least, wrong)
	}
	s := fmt.Sprintf("wrong in %d of %s, %s", r.Wrong, Plural(r.Of, "run"), wrong)
	if r.Different > 0 {
		s += fmt.Sprintf(", %d different results", r.Different)
	}
	return s
}

// LostText says how many runs were lost, "" if none was.
func (r *Runs) LostText() string {
	const how = "lost to a worker that ended, hung or answered nonsense"
	switch r.Lost {
	case 0:
		return ""
	case 1:
		return "1 more run was " + how
	}
	return fmt.Sprintf("%d more runs were %s", r.Lost, how)
}

// Cells is a number of cells in words.
func Cells(n int) string { return Plural(n, "cell") }

// Plural is "1 case", "2 cases".
func Plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// Race is the hazard behind a divergence, and what is needed to draw it and to
// run it again without slidefuzz.
type Race struct {
	Hazard                inplace.Hazard
	Kernel                *inplace.Kernel
	Index                 int // of the kernel, among those of the operation and tensor
	Plan                  *inplace.Plan
	Order                 []int32  // of the blocks as it ran; nil for ascending
	Lane, HazardRow, Elem int      // the cell that both blocks touch
	Names                 []string // of the storages
}

// Kind is the hazard's kind, NoHazard without one.
func (d *Divergence) Kind() inplace.HazardKind {
	if d.Race == nil {
		return inplace.NoHazard
	}
	return d.Race.Hazard.Kind
}

// Expect is the line that a case file needs to promise this divergence; nil
// means agreement. It has a rate where the divergence did not show in each run.
func (d *Divergence) Expect() *Expect {
	if d == nil {
		return &Expect{OK: true}
	}
	e := &Expect{Op: d.Op, Tensor: d.Tensor, Fault: d.Fault, Hazard: d.Kind()}
	if r := d.Runs; r != nil && r.Wrong < r.Of {
		e.Rate = Rate{r.Wrong, r.Of}
		if r.Wrong == 0 { // it was seen once, before anybody counted
			e.Rate = Rate{1, r.Of + 1}
		}
	}
	return e
}

// Matches reports whether the outcome of a run is the one expected.
func (e *Expect) Matches(d *Divergence) bool {
	got := d.Expect()
	if e.OK || got.OK {
		return e.OK == got.OK
	}
	got.Rate = e.Rate // that is for many runs
	return *e == *got
}

// Failure identifies a bug: a shrunk case must show the same one.
type Failure struct {
	Target window.Target
	OpKind string
	Tensor string
	Fault  Fault
	Hazard inplace.HazardKind
	// Like is the known-bad lowering under which sim fails on a worker's
	// program too.
	Like inplace.Lowering
	// Error is the class of what a program was refused with, such as "TypeError": a compiler
	// that knows one error may hide another one behind it.
	Error string
}

// Failure is what the divergence is of.
func (d *Divergence) Failure(t window.Target) Failure {
	tensor := d.Tensor
	if t.IsProgram() {
		// The shrinker drops and renames buffers.
		tensor = "buffer"
	}
	class := ""
	if t.IsProgram() && d.Fault == FaultRefused {
		class = errorClass(d.Detail)
	}
	return Failure{t, d.OpKind, tensor, d.Fault, d.Kind(), d.like(), class}
}

// errorClass is the names before the message of an error, "InductorError: AssertionError" of
// "InductorError: AssertionError: in 4 rows": what follows has numbers and names of the program,
// whose buffers have no capitals. A name with a digit is a class in the first place alone: after
// that it is one that the compiler gave to a part of the program, as in "RuntimeError: Add_12: …".
func errorClass(text string) string {
	return strings.TrimRight(errorNames.FindString(text), ": ")
}

var errorNames = regexp.MustCompile(`^[\w.]*[A-Z][\w.]*:(?: |$)(?:[A-Za-z_.]*[A-Z][A-Za-z_.]*:(?: |$))*`)

func (f Failure) String() string {
	s := fmt.Sprintf("%s: %s, %s of %s", f.Target, f.OpKind, f.Fault, f.Tensor)
	if f.Error != "" {
		s += " with " + f.Error
	}
	if f.Hazard != inplace.NoHazard {
		s += ", " + f.Hazard.String()
	}
	return s
}

// String says what is wrong in one sentence, without the schedule's jargon.
func (d *Divergence) String() string {
	switch d.OpKind {
	case WholeCase, AmongOthers:
		s := fmt.Sprintf("%s: %s", d.Fault, d.Detail)
		if d.Runs != nil {
			s += "; " + d.Runs.String()
		}
		return s
	}
	at := fmt.Sprintf("op %d (%s), %s", d.Op, d.OpKind, d.Tensor)
	if d.Fault != FaultRows {
		return fmt.Sprintf("%s: %s: %s", at, d.Fault, d.Detail)
	}
	s := fmt.Sprintf("%s %s: lane %d row %d holds %s, expected %s", at, d.Where, d.Lane, d.Row, d.Got, d.Want)
	if d.Sim != nil {
		s += fmt.Sprintf("; looks like %s, which is wrong here too", d.Sim.Target)
	}
	switch {
	case d.Race != nil && d.Sim != nil:
		s += fmt.Sprintf(" (there %s)", d.Race)
	case d.Race != nil:
		s += "; " + d.Race.String()
	}
	if d.Runs != nil {
		s += "; " + d.Runs.String()
	}
	return s
}

func (r *Race) String() string {
	cell := fmt.Sprintf("row %d of %s", r.HazardRow, r.Names[r.Hazard.Storage])
	h := r.Hazard
	switch h.Kind {
	case inplace.RAW:
		return fmt.Sprintf("RAW: block %d read %s before block %d wrote it", h.Other, cell, h.Writer)
	case inplace.WAW:
		return fmt.Sprintf("WAW: blocks %d and %d both write %s", h.Writer, h.Other, cell)
	}
	return fmt.Sprintf("WAR: block %d wrote %s before block %d read it", h.Writer, cell, h.Other)
}

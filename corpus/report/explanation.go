package report

import (
	"fmt"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// often says in how many runs the case failed.
func often(r *corpus.Runs) string {
	text := failedIn(r)
	if lost := r.LostText(); lost != "" {
		text += " " + strings.ToUpper(lost[:1]) + lost[1:] + "."
	}
	return text
}

// failedIn is often of the runs that came to their end.
func failedIn(r *corpus.Runs) string {
	switch {
	case r.Of == 0:
		return "It failed when it was found, and no run since came to its end."
	case r.Wrong == 0:
		return fmt.Sprintf("It failed when it was found, and in none of %s since.", corpus.Plural(r.Of, "run"))
	case !always(r):
		return fmt.Sprintf("It failed in %d of %d runs.", r.Wrong, r.Of)
	case r.Of == 1:
		return "It failed in the one run that was counted."
	case r.Different > 1:
		return fmt.Sprintf("It failed in each of %d runs, with %d different results.", r.Of, r.Different)
	}
	return fmt.Sprintf("It failed in each of %d runs.", r.Of)
}

// Extent is the shape of the smallest case that failed, in words.
func (r Report) Extent() string {
	if small := r.Divergence.Smallest; small != nil {
		return extent(small) + "; it failed there in few runs"
	}
	return extent(r.Case)
}

func extent(c *corpus.Case) string {
	s := c.Shape
	if n := len(c.Beside) + 1; n > 1 {
		one := c.Each()[0]
		return fmt.Sprintf("%d programs together, the first of them with %s", n, extent(one))
	}
	if e := c.Engine; e != nil {
		return fmt.Sprintf("window %d, %s, requests %d, tokens %d", s.Window, e.Model, len(e.Requests()), e.Tokens())
	}
	text := fmt.Sprintf("batch %d, heads %d, dim %d, %s", s.Batch, s.Heads, s.Dim, s.DType)
	if len(c.Program.Buffers) == 0 {
		return text + fmt.Sprintf(", window %d", s.Window)
	}
	for _, b := range c.Program.Buffers {
		text += fmt.Sprintf(", %s of %s", corpus.Plural(b.Rows, "row"), b.Name)
	}
	return text
}

// WrongCells is how many cells are wrong, in words.
func (r Report) WrongCells() string { return corpus.Cells(r.Divergence.Wrong) }

// Title is the divergence in a few words.
func (r Report) Title() string {
	d := r.Divergence
	switch {
	case d.Race != nil && r.overWorker():
		return fmt.Sprintf("%s: looks like a %s hazard in %s", r.Case.Target, d.Kind(), d.Tensor)
	case d.Race != nil:
		return fmt.Sprintf("%s: a %s hazard in %s", r.Case.Target, d.Kind(), d.Tensor)
	}
	return fmt.Sprintf("%s: %s (%s)", r.Case.Target, d.OpKind, d.Fault)
}

// Explanation says what the hazard does, for somebody who has not heard of
// slidefuzz.
func (r Report) Explanation() string {
	d := r.Divergence
	if d.Fault.OfProcess() {
		if r.inEngine() {
			return "The engine failed: it, or what drives it here, may be to blame."
		}
		if n := len(r.Case.Beside) + 1; n > 1 {
			return fmt.Sprintf("The worker failed at %d programs that it was given in one request, none of which needs another: the compiler that it drives may be to blame, or the worker, which puts them together. The case holds all of them, a line `beside` before each but the first, and a replay gives them to the worker in one request.", n)
		}
		if r.overWorker() {
			return "The worker failed: the cache that it drives may be to blame, or the worker itself."
		}
		return "The device failed: what it was running may be to blame, or its driver. Run the case again before you believe either."
	}
	var say []string
	add := func(text string) { say = append(say, text) }
	if d.Race != nil {
		add(does(d.Race))
		if r.native() {
			add("The blocks of a kernel run in no fixed order, so the result may depend on timing.")
		} else {
			add("The blocks of a kernel run in no fixed order, so on real hardware the result depends on timing.")
		}
	}
	switch {
	case r.inEngine() && d.Under != nil:
		add("The rows of the engine's cache are named below.")
	case r.inEngine():
		add("What the engine did inside is not known here. Its logits say which tokens each query attended to: docs/engines.md of slidefuzz has how. Cache, mask, positions, batcher or the conversion of the checkpoint may be at fault.")
	case r.overWorker() && d.Race != nil:
		add("What the worker's kernels are is not known here.")
	case r.overWorker():
		add("What the worker did inside is not known here; the operations of the case show it.")
	case !r.native() && d.Race != nil:
		add("Here the order is part of the case: in this order the same wrong bytes come out every time.")
	case r.Case.Target.Device == window.Go || r.Case.Target == window.CacheTarget():
		add("The fault depends on no timing: it shows in every run.")
	case !r.native():
		add("No two blocks of a kernel conflict here: the fault does not depend on their order, and shows in every run.")
	default:
		add("The device chose the order of the blocks here.")
	}
	switch {
	case d.Runs != nil:
		add(often(d.Runs))
		if r.Case.Target.Device == "host" && (d.Race != nil || d.Sim != nil) && d.Runs.Wrong > 0 && !always(d.Runs) {
			add("How many depends on what else the machine does.")
		}
	case r.native() && !r.overWorker() && !r.inEngine():
		add("How often it fails was not counted.")
	}
	sim := d.Sim
	switch {
	case sim == nil && r.native() && !r.overWorker() && d.Race != nil:
		add("No order of its blocks was found in which sim goes wrong.")
	case sim == nil && r.native() && !r.overWorker() && !r.inEngine() && d.Fault == corpus.FaultRows:
		add("No two blocks of a kernel conflict here: the fault does not depend on their order.")
	case sim != nil && r.overWorker():
		add(fmt.Sprintf("sim, which runs the blocks in an order that is given, fails on the same program where the compiler loses the check that %s stands for (%s): sim.txt fails every time, without the worker. That is no proof of the same cause.",
			sim.Target.Lowering, sim.Target.Lowering.Issue()))
	case sim != nil:
		add("sim.txt is the same race as a small case with an order: sim, which runs the blocks in the order that is given, fails on it every time.")
	}
	if sim != nil && d.Race != nil {
		add("The blocks and rows named here are those of sim.txt.")
	}
	return strings.Join(say, " ")
}

// does says what the two blocks do to each other.
func does(r *corpus.Race) string {
	h := r.Hazard
	cell := fmt.Sprintf("row %d of %s", r.HazardRow, r.Names[h.Storage])
	switch h.Kind {
	case inplace.RAW:
		return fmt.Sprintf("Block %d writes %s and block %d needs what it writes, but nothing makes it wait (read-after-write).", h.Writer, cell, h.Other)
	case inplace.WAW:
		return fmt.Sprintf("Blocks %d and %d both write %s, and nothing says which comes last (write-after-write).", h.Writer, h.Other, cell)
	}
	return fmt.Sprintf("Block %d overwrites %s while block %d has yet to read it (write-after-read).", h.Writer, cell, h.Other)
}

// blockAt is the block that runs as number i, from 0, in the order of the race.
func blockAt(r *corpus.Race, i int) int {
	if r.Order == nil {
		return i
	}
	return int(r.Order[i])
}

// strikes reports whether the hazard changes the result in the order of the race:
// a block runs before the one that it should have waited for.
func strikes(r *corpus.Race) bool {
	for i := range r.Kernel.Blocks() {
		if b := blockAt(r, i); b == r.Hazard.Writer || b == r.Hazard.Other {
			return b == r.Hazard.Witness()
		}
	}
	return false
}

// Steps are the blocks in the order in which they run and the race goes wrong, at
// most maxSteps and the two that race. There are none where no such order is
// known.
func (r Report) Steps() []string {
	race := r.Divergence.Race
	if race == nil || !r.ordered() || !strikes(race) {
		return nil
	}
	var steps []string
	h := race.Hazard
	for i := range race.Kernel.Blocks() {
		b := blockAt(race, i)
		note := ""
		switch b {
		case h.Writer:
			note = fmt.Sprintf(": writes row %d of %s", race.HazardRow, race.Names[h.Storage])
		case h.Other:
			note = fmt.Sprintf(": reads row %d of %s", race.HazardRow, race.Names[h.Storage])
			if h.Kind == inplace.WAW {
				note = fmt.Sprintf(": writes row %d of %s too", race.HazardRow, race.Names[h.Storage])
			}
		default:
			if i >= maxSteps {
				continue
			}
		}
		steps = append(steps, fmt.Sprintf("Block %d runs (number %d of %d)%s", b, i+1, race.Kernel.Blocks(), note))
	}
	return steps
}

// maxSteps bounds the blocks that a page lists: what fits a screen.
const maxSteps = 12

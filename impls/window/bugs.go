package window

import (
	"github.com/slidefuzz/slidefuzz/impls/caches"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// Bug is a fault of real systems that is planted in a built-in target. A suite that does
// not catch it is broken.
type Bug struct {
	// ID is its number among the real bugs of docs/bugs.md, several where one fault
	// stands for them; none where it has none.
	ID string
	// Target is where it is planted, known-bad. Its text is the name of the bug.
	Target Target
	// Reference is the public reports, as owner/repository#number.
	Reference string
	// Mechanism is what goes wrong, in one line.
	Mechanism string
	// Base is the sound cache, update or program that it is planted in.
	Base string
	// Contract is "single", "chunks", or "program" for what is no cache.
	Contract string
	// Racy says that the order of the blocks decides whether it shows; any other does
	// the same each time.
	Racy bool
}

// SoundTarget is the target that the bug is planted in.
func (b Bug) SoundTarget() Target {
	if b.Target.Device == Go {
		return BuiltinCache(b.Base)
	}
	return Target{Update: b.Base, Lowering: inplace.Fused, Device: b.Target.Device}
}

// Bugs lists all that is planted: what is wrong with programs, with the keeping of
// WindowCache's books, then in the caches of package caches. It is a copy.
func Bugs() []Bug {
	var all []Bug
	for _, x := range programBugs {
		t, err := ParseTarget(x.target)
		if err != nil {
			panic("window: a planted bug: " + err.Error()) // the tables above are at odds
		}
		b := Bug{ID: x.id, Target: t, Reference: x.reference, Mechanism: x.mechanism, Base: x.base, Contract: "single", Racy: t.Racy()}
		if t.IsProgram() {
			b.Contract = "program"
		}
		all = append(all, b)
	}
	for _, i := range caches.List() {
		if i.Sound {
			continue
		}
		b := Bug{ID: i.ID, Target: BuiltinCache(i.Name), Reference: i.Reference, Mechanism: i.About, Base: i.Base, Contract: "chunks"}
		if i.Narrow {
			b.Contract = "single"
		}
		all = append(all, b)
	}
	return all
}

// programBugs are those of lowerings and of updates: what is wrong is in package
// inplace, or in update.go beside.
var programBugs = []struct{ id, target, base, reference, mechanism string }{
	{"A1", "roll/drop-war/sim", "roll", "pytorch/pytorch#159855", "a write-after-read dependency is pruned: one kernel reads row i+1 and writes row i of one buffer"},
	{"A1", "cat/drop-war/sim", "cat", "pytorch/pytorch#159855, pytorch/pytorch#162410", "the same, of a concatenation"},
	{"A11, A15", "up-shift/drop-war/sim", "up-shift", "KellerJordan/modded-nanogpt#335, mit-han-lab/temporal-shift-module#105", "a shift to later rows in place, by many blocks at once"},
	{"A9, A12, H7", "down-shift/drop-war/sim", "down-shift", "tinygrad/tinygrad#14355, numba/numba#230", "an assignment between overlapping slices without a temporary"},
	{"A2", "up-shift/drop-clone/sim", "up-shift", "pytorch/pytorch#197829", "a clone between overlapping views is dropped as if it did nothing"},
	{"A2", "down-shift/drop-clone/sim", "down-shift", "pytorch/pytorch#197829", "the same, the other way"},
	{"A3", "shift-two/drop-far/sim", "shift-two", "pytorch/pytorch#164701", "the check for overlap sees a shift by one row alone: a shift by two is done in place"},
	{"A4", "index-read/fuse-index/sim", "index-read", "pytorch/pytorch#198270", "an assignment by an index and a read of the same buffer at other positions are fused into one kernel"},
	{"A6", "write-read/read-early/sim", "write-read", "pytorch/pytorch#108963", "a reader is fused ahead of the write before it, and gets what was there before"},
	{"A8", "roll-row/one-block/sim", "roll-row", "pytorch/pytorch#117778", "a roll and the assignment of a row are lowered wrongly at one size of block alone"},
	{"A13", "up-shift/chunk-forward/sim", "up-shift", "tenstorrent/tt-metal#50726", "a copy within one buffer goes forward chunk by chunk, without a check for overlap"},
	{"H1", "shift-reshaped/drop-reshaped/sim", "shift-reshaped", "openxla/xla#49176", "an in-place update reads its own output where a reshape follows"},
	{"H2, H5", "return-write/late-return/sim", "return-write", "tinygrad/tinygrad#17074, pytorch/pytorch#198131", "what is returned is read after a later write of its source"},
	{"B4", "shift-index-as-written/fused/sim", "shift-index", "huggingface/transformers#37370", "positions are clamped to the last row and the window moves by one: several tokens land in one row"},
	{"", "cat-as-written/fused/sim", "cat", "pytorch/pytorch#159855", "a chunk that is refused has moved the counter, and one row is broadcast to all"},
	{"", "roll-as-written/fused/sim", "roll", "pytorch/pytorch#159855", "a chunk that is refused has moved the counter"},
	{"B1", "roll-early/fused/sim", "roll", "huggingface/transformers#37574", "the window moves a step early, on the token that fills the last row"},
	{"C1", "return-clamped/fused/sim", "cat", "lablup/mlxcel#678", "what is returned is cut to W rows as well as what is stored"},
	{"D6", "reset-length/fused/sim", "cat", "huggingface/transformers#48809", "a reset zeroes the rows and not the length"},
	{"D7", "reset-values/fused/sim", "cat", "kyutai-labs/moshi#407", "a reset leaves one buffer out"},
	{"D17", "snapshot-view/fused/sim", "cat", "ollama/ollama@144893850", "a snapshot is a view of the live buffer"},
	{"D4", "crop-zero/fused/sim", "cat", "huggingface/transformers#47433", "a crop to 0 keeps everything"},
	{"E31", "evict-empty/fused/sim", "cat", "microsoft/onnxruntime#29904", "a chunk of no tokens evicts a row"},
	{"E24", "reset-moves/fused/sim", "cat", "ApxInf PR 89", "a reset takes new buffers, and captured steps write to the old ones"},
}

// Unplanted is a row of the list of real bugs that is not planted, and why.
type Unplanted struct{ ID, Reference, Mechanism, Why string }

// UnplantedBugs lists them. It is a copy.
func UnplantedBugs() []Unplanted { return append([]Unplanted(nil), unplanted...) }

var unplanted = []Unplanted{
	{"D19", "ml-explore/mlx-lm#1914", "returned rows level off at W-1+q", "no bug but a control: go/sliding does so, and must stay silent"},
	{"E11", "huggingface/transformers#30377", "the length is the number of keys that are not zero", "values name their origin and are never zero, so that no key of zeros is drawn"},
	{"H3", "pytorch/pytorch#177821", "parts of a concatenation become views of it, and an index write reaches them", "every lowering gives the value of an expression memory of its own or none: in none can two values come to share it"},
	{"H4", "pytorch/pytorch#198101", "the reader of a view by another type is computed after a later write", "programs have no view by another element type; without it the fault is that of return-write/late-return"},
	{"H6", "pytorch/pytorch#198033", "an update of several tensors at once reads what it writes, at other positions", "a kernel of several destinations comes from fuse-index alone, whose fault this is with sums; built-in programs run in every element type and so do not add"},
}

package reference

// hooks is where a fault acts. A sound engine has none of them.
type hooks struct {
	// window is the window of a layer, 0 for none. It acts when a checkpoint is loaded.
	window func(c *config, layer int) int
	// rotary is the position by which a token is turned, padding counted.
	rotary func(e *Engine, layer int, p part, position int) int
	// mask decides whether the query at position p sees the row of position pos, where
	// a sound engine says sees.
	mask func(e *Engine, v *view, p, pos int, sees bool) bool
	// written changes what is about to be written to a layer's caches: the decoder's
	// keys and values.
	written func(e *Engine, layer int, parts []part)
	// read changes what a layer's cache returned.
	read func(e *Engine, v *view)
	// fork is whose rows a layer copies instead of r's.
	fork func(e *Engine, layer int, r *request) *request
	// drop reports whether it has dropped requests in a layer itself.
	drop func(e *Engine, layer int, gone []*request) bool
}

// fault is something wrong that was planted.
type fault struct {
	Fault
	// plant makes the hooks of one engine, which may share what they remember. Nil is
	// none.
	plant func() hooks
	// under is what lies under the sliding layers, the engine's own where Cache is "".
	under Options
}

// Fault is something wrong that was planted in the engine on purpose. A suite that does
// not see it is broken.
type Fault struct {
	Name      string // lower-case words with dashes
	ID        string // its number among the real bugs of docs/bugs.md, "" for none
	Reference string // public reports, as owner/repository#number, "" for none
	Mechanism string // what goes wrong, in one line
	// Visible says that checkpoints of the kind visible show it, as they do where it
	// changes which tokens are seen or how much each counts. The kind full shows all.
	Visible bool
	// Racy says that it does not show in each run.
	Racy bool
}

// Faults lists all. It is a copy.
func Faults() []Fault {
	var all []Fault
	for _, f := range faults {
		all = append(all, f.Fault)
	}
	return all
}

func lookup(name string) (*fault, bool) {
	for i := range faults {
		if faults[i].Name == name {
			return &faults[i], true
		}
	}
	return nil, false
}

func faultNames() []string {
	var all []string
	for _, f := range faults {
		all = append(all, f.Name)
	}
	return all
}

// faults lists all: a fault is a variable of one of the files fault_*.go, and a line here.
var faults = []fault{
	windowPlusOne,
	windowOnFull,
	layersSwapped,
	earlyQueries,
	paddingSeen,
	paddingOfShortest,
	positionsOffByOne,
	lengthOfLayer0,
	keyRowMoved,
	valueRowMoved,
	keyRowOff,
	keyElementZeroed,
	keyRowScaled,
	keyHeadsSwapped,
	valueHeadsSwapped,
	lastTokenLost,
	rowShared,
	rowsOfOther,
	reorderLeavesWindows,
	misalignedAfterDrop,
	oneRollback,
	layersDisagree,
	raceDescending,
	raceOnHost,
}

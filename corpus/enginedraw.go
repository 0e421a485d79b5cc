package corpus

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls/window"
)

// WindowModel is a checkpoint with the window of its sliding layers.
type WindowModel struct {
	Window int
	Model
}

// Flags are those of slidefuzz engine checkpoint that write it.
func (m WindowModel) Flags() string {
	return fmt.Sprintf("--arch %s --kind %s --window %d --layers %d --heads %d --kv %d --dim %d --dtype %s --seed %d",
		m.Arch, m.Kind, m.Window, m.Layers, m.Heads, m.KVHeads, m.Dim, m.DType, m.Seed)
}

// EngineDrawer draws cases of an engine.
type EngineDrawer struct {
	Can EngineCan
	// Models are the checkpoints that cases have, several cases in a row the same one:
	// engines take longer to load one than to run a case.
	Models []WindowModel
	// Identities is how many tokens a model can tell apart.
	Identities func(WindowModel) int
	// Room is the most tokens of a request of a model, 0 for no bound; nil for none at all.
	Room func(WindowModel) int
	// InRow is how many cases in a row have the same model, 25 if it is 0. Where a model
	// is loaded in no time, few: then the first cases have all architectures.
	InRow int
}

// What is drawn.
const (
	casesOfModel = 25 // in a row
	mostDrawn    = 4  // requests at once; what four share, two share
	mostSteps    = 14 // operations after the first prompts
	// longShare is the share of cases with a request that is longer than what engines
	// round the rows of a window up to.
	longShare  = 1. / 12
	longPrompt = 700
	// againOneIn is of how many steps one begins anew where prompts are kept, and
	// againNear how far from the old length the new one is at most: engines keep what
	// they can come back to a few tokens before the end of a prompt.
	againOneIn, againNear = 5, 8
)

// Cases gives random cases of a target, one a call: the same for the same seed.
func (d *EngineDrawer) Cases(t window.Target, seed uint64) func() *Case {
	h := fnv.New64a()
	h.Write([]byte(t.String()))
	rng := rand.New(rand.NewPCG(seed, h.Sum64()))
	order := rng.Perm(len(d.Models))
	n, inRow := 0, cmp.Or(d.InRow, casesOfModel)
	return func() *Case {
		m := d.Models[order[n/inRow%len(order)]]
		n++
		c := d.Draw(rng, m)
		c.Target = t
		return c
	}
}

// Draw makes a case of a checkpoint, without a target.
func (d *EngineDrawer) Draw(r *rand.Rand, m WindowModel) *Case {
	w := &engineScript{rng: r, can: d.Can, window: m.Window, long: r.Float64() < longShare, open: Open{}}
	if d.Room != nil {
		w.can = w.can.Within(d.Room(m))
	}
	c := &Case{Engine: &EngineCase{Model: m.Model}}
	c.Shape.Window = m.Window
	w.most = max(1, 1<<r.IntN(3)) // 1, 2 or 4
	if room := d.Identities(m) / (m.Window + 2); w.most > room && r.IntN(4) > 0 {
		// More requests than identities are judged by counts alone.
		w.most = max(1, room)
	}
	if w.can.MaxRequests > 0 {
		w.most = min(w.most, w.can.MaxRequests)
	}
	w.most = min(w.most, mostDrawn)
	w.begin(1 + r.IntN(w.most))
	for n := 1 + r.IntN(mostSteps); n > 0; n-- {
		w.step()
	}
	c.Engine.Ops = w.ops
	return c
}

// engineScript is a case that is being drawn.
type engineScript struct {
	rng    *rand.Rand
	can    EngineCan
	window int
	long   bool
	most   int // requests at once
	named  int // requests so far
	ops    []EngineOp
	open   Open
	groups [][]string // the requests that are there; without Join those of a forward
}

// add appends an operation, and reports whether it has a meaning within the limits.
func (w *engineScript) add(o EngineOp) bool {
	if w.can.MaxContext > 0 {
		for _, p := range o.Parts {
			was := w.open[p.Request]
			if was.Tokens+was.Pad+p.N+p.Pad > w.can.MaxContext {
				return false
			}
		}
	}
	if w.open.After(&o) != nil {
		return false
	}
	w.ops = append(w.ops, o)
	return true
}

// name is that of a new request: a, b, … z, r26, r27, ….
func (w *engineScript) name() string {
	n := w.named
	w.named++
	if n < 26 {
		return string(rune('a' + n))
	}
	return fmt.Sprintf("r%d", n)
}

// length draws the tokens of a prompt: around multiples of the window, where things
// change, or any.
func (w *engineScript) length() int {
	r := w.rng
	if w.long {
		w.long = false // one of them is enough
		return reuseAfter - w.window + r.IntN(longPrompt-reuseAfter+w.window)
	}
	if r.IntN(2) == 0 {
		return max(1, w.window*(1+r.IntN(4))-2+r.IntN(5))
	}
	return 1 + r.IntN(3*w.window+3)
}

// begin begins so many requests: in one forward, or one after the other.
func (w *engineScript) begin(n int) {
	parts := make([]Part, n)
	names := make([]string, n)
	longest := 0
	for i := range parts {
		names[i] = w.name()
		parts[i] = Part{Kind: PartPrompt, Request: names[i], N: w.length()}
		longest = max(longest, parts[i].N)
	}
	together := w.can.Join || n > 1
	if w.can.Padding && w.rng.IntN(2) == 0 {
		w.pad(parts, longest)
	} else if !w.can.Join {
		for i := range parts { // nothing makes them alike
			parts[i].N = longest
		}
	}
	if w.can.Join && w.rng.IntN(4) == 0 {
		together = false
	}
	if together {
		if w.add(EngineOp{Kind: Forward, Parts: parts}) {
			w.groups = append(w.groups, names)
		}
		return
	}
	for i := range parts {
		if w.add(EngineOp{Kind: Forward, Parts: parts[i : i+1]}) {
			w.groups = append(w.groups, names[i:i+1])
		}
	}
}

// pad makes prompts equally long with padding, and gives all of them some more in one of
// three cases.
func (w *engineScript) pad(parts []Part, longest int) {
	more := 0
	if w.rng.IntN(3) == 0 {
		more = 1 + w.rng.IntN(2*w.window)
	}
	for i := range parts {
		parts[i].Pad = longest - parts[i].N + more
	}
}

// again ends all requests and begins one. Where no request is left identities begin anew,
// so that its prompt begins as the first one did: as long as one that has ended, nearly, or
// about a window.
func (w *engineScript) again() {
	names := w.requests()
	n := w.open[names[w.rng.IntN(len(names))]].Tokens - againNear + w.rng.IntN(againNear+againNear/2)
	if n < 1 || w.rng.IntN(3) == 0 {
		n = 1 + w.rng.IntN(w.window+3)
	}
	for _, name := range names {
		w.add(EngineOp{Kind: DropRequest, Request: name})
	}
	w.groups = nil
	part := Part{Kind: PartPrompt, Request: w.name(), N: n}
	if w.add(EngineOp{Kind: Forward, Parts: []Part{part}}) {
		w.groups = [][]string{{part.Request}}
	}
}

// requests lists those that are there, in the order in which they began.
func (w *engineScript) requests() []string { return slices.Concat(w.groups...) }

// step goes on in one way that the engine can.
func (w *engineScript) step() {
	if len(w.groups) == 0 {
		w.begin(1)
		return
	}
	if w.can.Cached && w.rng.IntN(againOneIn) == 0 {
		w.again()
		return
	}
	group := w.groups[w.rng.IntN(len(w.groups))]
	switch n := w.rng.IntN(20); {
	case n < 9:
		w.decode(group)
	case n < 13:
		if w.can.Chunks {
			w.chunk(group)
		}
	case n < 15:
		if len(w.requests()) < w.most {
			w.join()
		}
	case n < 16:
		w.drop(group)
	case n < 18:
		if w.can.Crop {
			w.crop(group)
		}
	default:
		if w.can.Fork {
			w.fork(group)
		}
	}
}

// decode gives each request of a group, or with Join each there is or some of them, a
// token, several times in a row.
func (w *engineScript) decode(group []string) {
	names := group
	if w.can.Join && w.rng.IntN(4) > 0 {
		names = w.some(w.requests())
	}
	parts := make([]Part, len(names))
	for i, name := range names {
		parts[i] = Part{Kind: PartDecode, Request: name, N: 1}
	}
	for n := 1 + w.rng.IntN(w.window+3); n > 0; n-- {
		w.add(EngineOp{Kind: Forward, Parts: slices.Clone(parts)})
	}
}

// some is all of the names in three of four cases, else one to all of them.
func (w *engineScript) some(names []string) []string {
	if w.can.MaxRequests > 0 {
		names = names[:min(len(names), w.can.MaxRequests)]
	}
	if w.rng.IntN(4) > 0 {
		return names
	}
	var few []string
	for _, i := range w.rng.Perm(len(names))[:1+w.rng.IntN(len(names))] {
		few = append(few, names[i])
	}
	return few
}

// chunk gives a group several tokens; with Join one request of it, in half of the cases
// in one forward with decodes of others.
func (w *engineScript) chunk(group []string) {
	n := 1 + w.rng.IntN(2*w.window+2)
	if w.rng.IntN(3) == 0 {
		n = max(1, w.window-1+w.rng.IntN(4))
	}
	if !w.can.Join {
		var parts []Part
		for _, name := range group {
			parts = append(parts, Part{Kind: PartChunk, Request: name, N: n})
		}
		w.add(EngineOp{Kind: Forward, Parts: parts})
		return
	}
	name := group[w.rng.IntN(len(group))]
	w.beside(Part{Kind: PartChunk, Request: name, N: n})
}

// beside adds a forward of one part, and of decodes of other requests in half of the
// cases.
func (w *engineScript) beside(part Part) bool {
	parts := []Part{part}
	if w.rng.IntN(2) == 0 {
		for _, name := range w.requests() {
			if name != part.Request && (w.can.MaxRequests == 0 || len(parts) < w.can.MaxRequests) {
				parts = append(parts, Part{Kind: PartDecode, Request: name, N: 1})
			}
		}
		w.rng.Shuffle(len(parts), func(i, k int) { parts[i], parts[k] = parts[k], parts[i] })
	}
	return w.add(EngineOp{Kind: Forward, Parts: parts})
}

// join begins a request while others are there.
func (w *engineScript) join() {
	if !w.can.Join {
		w.begin(1)
		return
	}
	name := w.name()
	if w.beside(Part{Kind: PartPrompt, Request: name, N: w.length()}) {
		w.groups = append(w.groups, []string{name})
	}
}

// drop ends one request of a group, without Join all of them.
func (w *engineScript) drop(group []string) {
	names := group
	if w.can.Join {
		names = []string{group[w.rng.IntN(len(group))]}
	}
	for _, name := range names {
		w.add(EngineOp{Kind: DropRequest, Request: name})
	}
	for i := range w.groups {
		w.groups[i] = slices.DeleteFunc(slices.Clone(w.groups[i]), func(s string) bool { return slices.Contains(names, s) })
	}
	w.groups = slices.DeleteFunc(w.groups, func(g []string) bool { return len(g) == 0 })
}

// alone is a request of a group that is bound to no other, "" if there is none.
func (w *engineScript) alone(group []string) string {
	if len(group) > 1 && !w.can.Join {
		return ""
	}
	return group[w.rng.IntN(len(group))]
}

// crop cuts the last tokens of a request off, most often few, and goes on with it: a
// crop that nothing follows shows nothing.
func (w *engineScript) crop(group []string) {
	name := w.alone(group)
	n := w.open[name].Tokens
	if name == "" || n < 2 {
		return
	}
	cut := 1 + w.rng.IntN(min(n-1, w.window+1))
	if w.rng.IntN(4) == 0 {
		cut = 1 + w.rng.IntN(n-1)
	}
	if w.add(EngineOp{Kind: CropRequest, Request: name, N: n - cut}) {
		w.add(EngineOp{Kind: Forward, Parts: []Part{{Kind: PartDecode, Request: name, N: 1}}})
	}
}

// fork begins a request with the tokens of another, and goes on with both.
func (w *engineScript) fork(group []string) {
	from := w.alone(group)
	if from == "" || len(w.requests()) >= w.most+1 {
		return
	}
	as := w.name()
	if !w.add(EngineOp{Kind: ForkRequest, Request: from, As: as}) {
		return
	}
	w.groups = append(w.groups, []string{as})
	for _, name := range []string{as, from} {
		w.add(EngineOp{Kind: Forward, Parts: []Part{{Kind: PartDecode, Request: name, N: 1}}})
	}
}

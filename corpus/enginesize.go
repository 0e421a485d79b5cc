package corpus

import (
	"cmp"
	"slices"
)

// The features of engine cases.
const (
	Together Feature = "together" // several requests in one forward
	Unequal  Feature = "unequal"  // prompts of unequal length in one forward
	Joins    Feature = "join"     // requests that begin, or get several tokens, while others get one
	Leaves   Feature = "leave"    // a request goes on after another has ended, or takes no part
	Chunked  Feature = "chunk"    // several tokens for a request that is there
	Forks    Feature = "fork"
	Padded   Feature = "padding"
	Reuse    Feature = "reuse" // a request so long that an engine must use rows again
)

// EngineFeatures lists those that a case of an engine may have.
func EngineFeatures() []Feature {
	return []Feature{WindowOne, Together, Unequal, Joins, Leaves, Chunked, Crops, Forks, Padded, Reuse}
}

// reuseAfter is how long a request is that has Reuse: engines round the rows of a window
// up to 256 and keep as many for the chunk under way.
const reuseAfter = 512

// engineFeatures lists the features of an engine case.
func (c *Case) engineFeatures() []Feature {
	has := map[Feature]bool{WindowOne: c.Shape.Window == 1}
	open, ended := Open{}, false
	for i := range c.Engine.Ops {
		o := &c.Engine.Ops[i]
		var prompts, tokens []int
		for _, p := range o.Parts {
			tokens = append(tokens, p.N)
			if p.Kind == PartPrompt {
				prompts = append(prompts, p.N)
			}
			has[Chunked] = has[Chunked] || p.Kind == PartChunk
			has[Padded] = has[Padded] || p.Pad > 0
			has[Reuse] = has[Reuse] || open[p.Request].Tokens+p.N > reuseAfter
		}
		if len(o.Parts) > 1 {
			has[Together] = true
			has[Unequal] = has[Unequal] || len(prompts) > 1 && slices.Min(prompts) < slices.Max(prompts)
			has[Joins] = has[Joins] || slices.Min(tokens) == 1 && slices.Max(tokens) > 1
		}
		if o.Kind == Forward && len(prompts) == 0 {
			has[Leaves] = has[Leaves] || ended || len(o.Parts) < len(open)
		}
		has[Crops] = has[Crops] || o.Kind == CropRequest
		has[Forks] = has[Forks] || o.Kind == ForkRequest
		ended = ended || o.Kind == DropRequest
		_ = open.After(o) // Check has said what is wrong
	}
	return slices.DeleteFunc(EngineFeatures(), func(f Feature) bool { return !has[f] })
}

// compareEngine orders engine cases by size: fewer requests first, then fewer
// operations, fewer parts of forwards, fewer tokens, a smaller window, less padding, a
// smaller checkpoint. What is left is settled by the text.
func compareEngine(a, b *Case) int {
	x, y := a.Engine, b.Engine
	for _, d := range [...]int{
		cmp.Compare(len(x.Requests()), len(y.Requests())),
		cmp.Compare(len(x.Ops), len(y.Ops)),
		cmp.Compare(x.parts(), y.parts()),
		cmp.Compare(x.Tokens(), y.Tokens()),
		cmp.Compare(a.Shape.Window, b.Shape.Window),
		cmp.Compare(x.padding(), y.padding()),
		cmp.Compare(slices.Index(ModelKinds(), x.Model.Kind), slices.Index(ModelKinds(), y.Model.Kind)),
		cmp.Compare(x.Model.Layers*x.Model.Heads*x.Model.Dim, y.Model.Layers*y.Model.Heads*y.Model.Dim),
		cmp.Compare(slices.Index(Archs(), x.Model.Arch), slices.Index(Archs(), y.Model.Arch)),
		cmp.Compare(x.Model.DType, y.Model.DType),
		cmp.Compare(x.cropped(), y.cropped()),
	} {
		if d != 0 {
			return d
		}
	}
	return cmp.Compare(string(a.format()), string(b.format()))
}

func (e *EngineCase) parts() (n int) {
	for _, o := range e.Ops {
		n += len(o.Parts)
	}
	return n
}

func (e *EngineCase) padding() (n int) {
	for _, o := range e.Ops {
		for _, p := range o.Parts {
			n += p.Pad
		}
	}
	return n
}

// cropped is the numbers of crops.
func (e *EngineCase) cropped() (n int) {
	for _, o := range e.Ops {
		if o.Kind == CropRequest {
			n += o.N
		}
	}
	return n
}

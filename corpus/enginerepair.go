package corpus

import "slices"

// Repair makes operations that lost some of those before them have a meaning again:
// what is about a request that is not there is left out, or begins it where it brings
// several tokens; what begins a request that is there gives it the tokens; a crop keeps
// no more than there is.
func (e *EngineCase) Repair() {
	open := Open{}
	kept := e.Ops[:0]
	for _, o := range e.Ops {
		if o.Kind == Forward {
			o.Parts = repaired(o.Parts, open)
		}
		if o.Kind == CropRequest {
			if n := open[o.Request].Tokens; o.N >= n {
				continue // it changes nothing
			}
		}
		if o.Kind == Forward && len(o.Parts) == 0 || open.After(&o) != nil {
			continue
		}
		kept = append(kept, o)
	}
	e.Ops = kept
}

func repaired(parts []Part, open Open) []Part {
	var kept []Part
	for _, p := range parts {
		_, there := open[p.Request]
		switch {
		case p.Kind == PartPrompt && there:
			p.Kind, p.Pad = PartChunk, 0
		case p.Kind == PartChunk && !there:
			p.Kind = PartPrompt
		case p.Kind == PartDecode && !there:
			continue
		}
		kept = append(kept, p)
	}
	return kept
}

// Without is the operations without a request. What was forked from it begins with its
// tokens as a prompt.
func (e *EngineCase) Without(request string) *EngineCase {
	c := e.Clone()
	open := Open{}
	kept := c.Ops[:0]
	for i := range e.Ops {
		o := c.Ops[i]
		switch {
		case o.Kind == Forward:
			o.Parts = slices.DeleteFunc(slices.Clone(o.Parts), func(p Part) bool { return p.Request == request })
		case o.Kind == ForkRequest && o.Request == request:
			o = EngineOp{Kind: Forward, Parts: []Part{{Kind: PartPrompt, Request: o.As, N: max(1, open[request].Tokens)}}}
		case o.Request == request || o.As == request:
			o.Parts, o.Kind = nil, Forward
		}
		_ = open.After(&e.Ops[i]) // Check has said what is wrong
		kept = append(kept, o)
	}
	c.Ops = kept
	c.Repair()
	return c
}

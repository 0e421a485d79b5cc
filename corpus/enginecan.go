package corpus

// EngineCan is what an engine can do beside prompts and decodes of one request at a
// time, and its limits.
type EngineCan struct {
	Crop, Fork bool
	Chunks     bool // several tokens for a request that is there
	Join       bool // in one forward any requests, each with any number of tokens
	Padding    bool // left padding
	// Cached: what ended requests were given may be kept for prompts that begin alike.
	Cached bool
	// MaxRequests of one forward, 0 for no bound. Without Join those of a forward have
	// as many tokens each, padding counted, begin together, and stay together.
	MaxRequests int
	// MaxContext is the most tokens of a request, padding counted, 0 for no bound.
	MaxContext int
}

// Within is the same with requests of at most so many tokens, 0 for no other bound.
func (n EngineCan) Within(tokens int) EngineCan {
	if tokens > 0 && (n.MaxContext == 0 || tokens < n.MaxContext) {
		n.MaxContext = tokens
	}
	return n
}

// Takes reports whether an engine that can do so much can be asked a case.
func (n EngineCan) Takes(c *Case) bool {
	open := Open{}
	group := map[string]string{} // of a request: the names that began with it, as text
	for i := range c.Engine.Ops {
		o := &c.Engine.Ops[i]
		if o.Kind == CropRequest && !n.Crop || o.Kind == ForkRequest && !n.Fork {
			return false
		}
		if o.Kind == Forward && !n.forward(o, open, group) {
			return false
		}
		if o.Kind != Forward && o.Kind != DropRequest && !n.Join && group[o.Request] != o.Request {
			return false
		}
		if o.Kind == ForkRequest {
			group[o.As] = o.As
		}
		if open.After(o) != nil {
			return false
		}
	}
	return true
}

// forward is Takes of a forward.
func (n EngineCan) forward(o *EngineOp, open Open, group map[string]string) bool {
	if n.MaxRequests > 0 && len(o.Parts) > n.MaxRequests {
		return false
	}
	together := ""
	for _, p := range o.Parts {
		together += p.Request + " "
	}
	together = together[:len(together)-1]
	for _, p := range o.Parts {
		was := open[p.Request]
		switch {
		case p.Kind == PartChunk && p.N > 1 && !n.Chunks, p.Pad > 0 && !n.Padding:
			return false
		case n.MaxContext > 0 && was.Tokens+was.Pad+p.N+p.Pad > n.MaxContext:
			return false
		case n.Join:
		case p.Kind == PartPrompt:
			group[p.Request] = together
			if p.N+p.Pad != o.Parts[0].N+o.Parts[0].Pad {
				return false
			}
		case group[p.Request] != together, p.N != o.Parts[0].N:
			return false
		}
	}
	return true
}

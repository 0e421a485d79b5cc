package shrink

import (
	"context"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
)

// greedyEngine is greedy of a case of an engine. What needs another checkpoint comes
// last in each round: an engine takes longest to load one.
func (s *shrinker) greedyEngine(ctx context.Context) {
	for {
		before := s.best
		s.dropRequests(ctx)
		s.dropEngineOps(ctx)
		s.dropParts(ctx)
		s.unfork(ctx)
		s.joinPrompts(ctx)
		s.shrinkTokens(ctx)
		s.shrinkPadding(ctx)
		s.shrinkCrops(ctx)
		s.shrinkWindow(ctx)
		s.shrinkModel(ctx)
		s.renameRequests(ctx)
		if s.best == before || s.stats.Bounded {
			return
		}
	}
}

// tryEngine tries the case with other operations, once they have a meaning.
func (s *shrinker) tryEngine(ctx context.Context, e *corpus.EngineCase) bool {
	c := s.best.Clone()
	c.Engine = e
	e.Repair()
	return len(e.Ops) > 0 && s.try(ctx, c)
}

// dropRequests leaves requests out.
func (s *shrinker) dropRequests(ctx context.Context) {
	for _, name := range s.best.Engine.Requests() {
		s.tryEngine(ctx, s.best.Engine.Without(name))
	}
}

// dropEngineOps removes runs of operations, long ones first.
func (s *shrinker) dropEngineOps(ctx context.Context) {
	for n := len(s.best.Engine.Ops); n >= 1; n /= 2 {
		for at := 0; at+n <= len(s.best.Engine.Ops); {
			e := s.best.Engine.Clone()
			e.Ops = slices.Delete(e.Ops, at, at+n)
			if !s.tryEngine(ctx, e) {
				at++
			}
		}
	}
}

// dropParts has requests take no part in a forward.
func (s *shrinker) dropParts(ctx context.Context) {
	for i := 0; i < len(s.best.Engine.Ops); i++ {
		for k := 0; i < len(s.best.Engine.Ops) && k < len(s.best.Engine.Ops[i].Parts); {
			e := s.best.Engine.Clone()
			e.Ops[i].Parts = slices.Delete(e.Ops[i].Parts, k, k+1)
			if !s.tryEngine(ctx, e) {
				k++
			}
		}
	}
}

// unfork begins a request that was forked with a prompt of the tokens that it got from
// the other: what is left may join the prompt of that one.
func (s *shrinker) unfork(ctx context.Context) {
	for i := 0; i < len(s.best.Engine.Ops); i++ {
		e := s.best.Engine.Clone()
		fork := e.Ops[i]
		if fork.Kind != corpus.ForkRequest {
			continue
		}
		open := corpus.Open{}
		for k := range e.Ops[:i] {
			_ = open.After(&e.Ops[k]) // Check has said what is wrong
		}
		e.Ops = slices.Delete(e.Ops, i, i+1)
		if p := firstPart(e.Ops[i:], fork.As); p != nil {
			p.Kind, p.N = corpus.PartPrompt, p.N+open[fork.Request].Tokens
			if s.tryEngine(ctx, e) {
				i--
			}
		}
	}
}

// firstPart is what a request gets first, nil where it is cropped or ends before.
func firstPart(ops []corpus.EngineOp, request string) *corpus.Part {
	for i := range ops {
		if ops[i].Request == request {
			return nil
		}
		for k := range ops[i].Parts {
			if p := &ops[i].Parts[k]; p.Request == request {
				return p
			}
		}
	}
	return nil
}

// joinPrompts gives a prompt the tokens of a later forward, which is left out.
func (s *shrinker) joinPrompts(ctx context.Context) {
	for i := 0; i+1 < len(s.best.Engine.Ops); i++ {
		e := s.best.Engine.Clone()
		if e.Ops[i].Kind != corpus.Forward || e.Ops[i+1].Kind != corpus.Forward {
			continue
		}
		for _, p := range e.Ops[i+1].Parts {
			k := slices.IndexFunc(e.Ops[i].Parts, func(q corpus.Part) bool { return q.Request == p.Request })
			if k < 0 {
				e.Ops[i].Parts = append(e.Ops[i].Parts, p)
				continue
			}
			q := &e.Ops[i].Parts[k]
			if q.N += p.N; q.Kind == corpus.PartDecode {
				q.Kind = corpus.PartChunk
			}
		}
		e.Ops = slices.Delete(e.Ops, i+1, i+2)
		if s.tryEngine(ctx, e) {
			i--
		}
	}
}

// shrinkTokens takes tokens from prompts and chunks: from all of a forward at once, as
// where they must be equally long, and from each.
func (s *shrinker) shrinkTokens(ctx context.Context) {
	for i := range s.best.Engine.Ops {
		for _, n := range corpus.Less(1, longest(&s.best.Engine.Ops[i])) {
			e := s.best.Engine.Clone()
			by := longest(&e.Ops[i]) - n
			for k := range e.Ops[i].Parts {
				shorten(&e.Ops[i].Parts[k], by)
			}
			if s.tryEngine(ctx, e) {
				break
			}
		}
		if i >= len(s.best.Engine.Ops) {
			return
		}
		for k := range s.best.Engine.Ops[i].Parts {
			for _, n := range corpus.Less(1, s.best.Engine.Ops[i].Parts[k].N) {
				e := s.best.Engine.Clone()
				p := &e.Ops[i].Parts[k]
				shorten(p, p.N-n)
				if s.tryEngine(ctx, e) {
					break
				}
				if p.Kind == corpus.PartPrompt { // with padding in their place
					e = s.best.Engine.Clone()
					p = &e.Ops[i].Parts[k]
					p.Pad += p.N - n
					p.N = n
					if p.Pad > p.N && s.tryEngine(ctx, e) {
						break
					}
				}
			}
		}
	}
}

func longest(o *corpus.EngineOp) (n int) {
	for _, p := range o.Parts {
		n = max(n, p.N)
	}
	return n
}

// shorten takes tokens from a part, which keeps one.
func shorten(p *corpus.Part, by int) {
	if p.N = max(1, p.N-by); p.N == 1 && p.Kind == corpus.PartChunk {
		p.Kind = corpus.PartDecode
	}
}

// shrinkPadding takes padding from all prompts of a forward at once, and from each.
func (s *shrinker) shrinkPadding(ctx context.Context) {
	for i := range s.best.Engine.Ops {
		most := 0
		for _, p := range s.best.Engine.Ops[i].Parts {
			most = max(most, p.Pad)
		}
		for _, n := range corpus.Less(0, most) {
			e := s.best.Engine.Clone()
			for k := range e.Ops[i].Parts {
				p := &e.Ops[i].Parts[k]
				p.Pad = max(0, p.Pad-(most-n))
			}
			if s.tryEngine(ctx, e) {
				break
			}
		}
		for k := range s.best.Engine.Ops[i].Parts {
			for _, n := range corpus.Less(0, s.best.Engine.Ops[i].Parts[k].Pad) {
				e := s.best.Engine.Clone()
				e.Ops[i].Parts[k].Pad = n
				if s.tryEngine(ctx, e) {
					break
				}
			}
		}
	}
}

// shrinkCrops makes the numbers of crops smaller.
func (s *shrinker) shrinkCrops(ctx context.Context) {
	for i := range s.best.Engine.Ops {
		if i >= len(s.best.Engine.Ops) || s.best.Engine.Ops[i].Kind != corpus.CropRequest {
			continue
		}
		for _, n := range corpus.Less(1, s.best.Engine.Ops[i].N) {
			e := s.best.Engine.Clone()
			e.Ops[i].N = n
			if s.tryEngine(ctx, e) {
				break
			}
		}
	}
}

// shrinkWindow tries the windows that a hunt draws too, whose checkpoints an engine may
// have met, and one less: alone, and with as many tokens less in all prompts and chunks.
func (s *shrinker) shrinkWindow(ctx context.Context) {
	was := s.best.Shape.Window
	for _, w := range []int{1, 2, 3, 4, 8, 16, was - 1} {
		if w < 1 || w >= was {
			continue
		}
		c := s.best.Clone()
		c.Shape.Window = w
		if s.try(ctx, c) {
			return
		}
		for _, times := range []int{1, 2} {
			c = s.best.Clone()
			c.Shape.Window = w
			for i := range c.Engine.Ops {
				for k := range c.Engine.Ops[i].Parts {
					shorten(&c.Engine.Ops[i].Parts[k], times*(was-w))
				}
			}
			c.Engine.Repair()
			if s.try(ctx, c) {
				return
			}
		}
	}
}

// shrinkModel tries a smaller checkpoint, part by part.
func (s *shrinker) shrinkModel(ctx context.Context) {
	change := func(set func(*corpus.Model)) bool {
		c := s.best.Clone()
		set(&c.Engine.Model)
		return c.Engine.Model != s.best.Engine.Model && s.try(ctx, c)
	}
	change(func(m *corpus.Model) {
		m.Kind = corpus.ModelKinds()[0]
		m.Heads, m.KVHeads = 2, 1
	})
	change(func(m *corpus.Model) { m.Kind = corpus.ModelKinds()[0] })
	for _, h := range [...][2]int{{1, 1}, {2, 1}, {2, 2}} {
		if change(func(m *corpus.Model) { m.Heads, m.KVHeads = h[0], h[1] }) {
			break
		}
	}
	for _, n := range corpus.Less(1, s.best.Engine.Model.Layers) {
		if change(func(m *corpus.Model) { m.Layers = n }) {
			break
		}
	}
	for _, arch := range corpus.Archs() {
		if arch == s.best.Engine.Model.Arch || change(func(m *corpus.Model) { m.Arch = arch }) {
			break
		}
	}
	change(func(m *corpus.Model) { m.DType = impls.F32 })
	change(func(m *corpus.Model) { m.Dim = 64 })
	change(func(m *corpus.Model) { m.Seed = 1 })
}

// renameRequests calls requests a, b, c … in the order in which they begin.
func (s *shrinker) renameRequests(ctx context.Context) {
	names := s.best.Engine.Requests()
	if len(names) > 26 {
		return
	}
	to := map[string]string{}
	for i, name := range names {
		to[name] = string(rune('a' + i))
	}
	e := s.best.Engine.Clone()
	for i := range e.Ops {
		o := &e.Ops[i]
		if o.Kind != corpus.Forward {
			o.Request = to[o.Request]
		}
		if o.Kind == corpus.ForkRequest {
			o.As = to[o.As]
		}
		for k := range o.Parts {
			o.Parts[k].Request = to[o.Parts[k].Request]
		}
	}
	s.tryEngine(ctx, e)
}

package judge

import "slices"

// engineState is the tokens that requests were given. The tokens of a request are
// consecutive identities, which greedy decoding gives too; after a crop or a fork they
// begin anew, or a stale token would be the right one.
type engineState struct {
	identities int
	open       map[string]*request
	order      []*request // those that are there, and those that have ended
}

// request is one request.
type request struct {
	name   string
	pad    int
	tokens []int // identities, by position
	steps  int   // forwards that it took part in
	next   int   // the identity of the next token, -1 for any
	ended  bool
	cut    []cutToken
}

// cutToken is a token that a crop cut off.
type cutToken struct{ identity, position int }

func newEngineState(identities int) engineState {
	return engineState{identities: identities, open: map[string]*request{}}
}

func (s *engineState) begin(name string, pad int) *request {
	r := &request{name: name, pad: pad, next: -1}
	s.open[name] = r
	s.order = append(s.order, r)
	return r
}

// give gives a request its next n tokens.
func (s *engineState) give(r *request, n int) []int {
	if r.next < 0 {
		r.next = s.fresh(n)
	}
	r.steps++
	for range n {
		r.tokens = append(r.tokens, r.next)
		r.next = (r.next + 1) % s.identities
	}
	return r.tokens[len(r.tokens)-n:]
}

// fresh is the first identity of a run of n tokens whose last is as far as can be from
// the newest tokens of all requests, in both directions: what a request sees, and what
// an engine keeps beyond that, lies before its newest token.
func (s *engineState) fresh(n int) int {
	var taken []int
	for _, x := range s.order {
		if len(x.tokens) > 0 && !x.ended {
			taken = append(taken, x.tokens[len(x.tokens)-1])
		}
		if len(x.cut) > 0 && !x.ended {
			taken = append(taken, x.cut[len(x.cut)-1].identity)
		}
	}
	best, most := (n-1)%s.identities, -1
	if len(taken) == 0 {
		return 0
	}
	for end := range s.identities {
		least := s.identities
		for _, t := range taken {
			d := (end - t + s.identities) % s.identities
			least = min(least, d, s.identities-d)
		}
		if least > most {
			best, most = end, least
		}
	}
	return ((best-n+1)%s.identities + s.identities) % s.identities
}

func (s *engineState) crop(r *request, n int) {
	for p := n; p < len(r.tokens); p++ {
		r.cut = append(r.cut, cutToken{r.tokens[p], p})
	}
	if n < len(r.tokens) {
		r.next = -1
	}
	r.tokens = r.tokens[:n:n]
}

func (s *engineState) fork(r *request, as string) {
	f := &request{name: as, pad: r.pad, tokens: slices.Clone(r.tokens), steps: r.steps, next: -1}
	s.open[as] = f
	s.order = append(s.order, f)
}

func (s *engineState) drop(name string) {
	s.open[name].ended = true
	delete(s.open, name)
}

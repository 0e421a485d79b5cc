package reference

import (
	"errors"
	"fmt"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// request is the tokens of one request, padding included.
type request struct {
	name   string
	tokens []int
	pad    int // how many of the first are padding
}

// part is the tokens of one request in a forward.
type part struct {
	request *request
	n       int // how many
	first   int // the position of the first
	at      int // its place among the tokens of the forward
	ask     int // logits are asked for from this one of the n on
}

// view is the rows that some queries of a request attend over in one layer.
type view struct {
	request      *request
	layer        int
	first, n     int // positions of the queries: first … first+n-1
	at           int // the place of the first among the tokens of the forward
	rows         int
	keys, values []float32 // [rows, kvHeads, headDim]
	positions    []int     // of the token that each row claims to hold, -1 for none
	visible      [][]bool  // [n][rows] where the cache says which rows a query sees
}

// store is the keys and values of all requests in one layer.
type store interface {
	// begin makes room for a request without tokens; of one that is there it forgets
	// all tokens.
	begin(r *request) error
	// update adds the rows of the parts, keys and values [tokens, kvHeads, headDim],
	// and calls see for each view before what it shows can change.
	update(parts []part, keys, values []float32, see func(*view) error) error
	// crop and fork may refuse with an error, after which the store is as it was.
	crop(r *request, n int) error
	fork(r, as *request) error
	drop(gone []*request) error
	// log is the cache that a request's rows are in, with what was done to it.
	log(r *request) *logged
}

// errNoFork is what a store says that cannot copy a cache.
var errNoFork = errors.New("a cache for each request cannot be copied")

// each is a cache for each request.
type each struct {
	layer  int
	kind   *kind
	shape  impls.Shape
	caches map[*request]*logged
}

func newEach(layer int, k *kind, s impls.Shape) *each {
	s.Batch = 1
	return &each{layer, k, s, map[*request]*logged{}}
}

func (s *each) begin(r *request) error {
	if c, ok := s.caches[r]; ok {
		c.reset()
		return nil
	}
	c, err := s.kind.make(s.shape)
	if err == nil {
		s.caches[r] = &logged{kind: s.kind, shape: s.shape, cache: c}
	}
	return err
}

func (s *each) update(parts []part, keys, values []float32, see func(*view) error) error {
	width := s.shape.Heads * s.shape.Dim
	for _, p := range parts {
		c := s.caches[p.request]
		for done := 0; done < p.n; {
			n := s.kind.cut(p.first+done, p.n-done, s.shape.Window)
			lo, hi := (p.at+done)*width, (p.at+done+n)*width
			one := s.shape
			k, v, err := c.append(tensorOf(one, []span{{keys[lo:hi], n}}, n), tensorOf(one, []span{{values[lo:hi], n}}, n), []int{n})
			if err != nil {
				return fmt.Errorf("layer %d, request %s: %w", s.layer, p.request.name, err)
			}
			if err := see(c.view(s.layer, part{request: p.request, n: n, first: p.first + done, at: p.at + done}, 0, &k, &v)); err != nil {
				return err
			}
			done += n
		}
	}
	return nil
}

func (s *each) crop(r *request, n int) error {
	if n == 0 {
		s.caches[r].reset()
		return nil
	}
	return s.caches[r].crop([]int{n})
}

func (s *each) fork(r, as *request) error {
	c, ok := s.caches[r].cache.(*everything)
	if !ok {
		return errNoFork
	}
	s.caches[as] = &logged{kind: s.kind, shape: s.shape, cache: c.clone(), ops: slices.Clone(s.caches[r].ops)}
	return nil
}

func (s *each) drop(gone []*request) error {
	for _, r := range gone {
		delete(s.caches, r)
	}
	return nil
}

func (s *each) log(r *request) *logged { return s.caches[r] }

// together is one cache whose batch is the requests, and behind them a blank entry, of
// which new ones are copies.
type together struct {
	layer   int
	shape   impls.Shape
	cache   *logged
	entries []*request
}

// newTogether makes the cache, which must take other numbers of tokens for each entry,
// crop each for itself, and choose among them.
func newTogether(layer int, k *kind, s impls.Shape) (*together, error) {
	s.Batch = 1
	c, err := k.make(s)
	if err != nil {
		return nil, err
	}
	_, ragged := c.(impls.RaggedUpdater)
	_, crops := c.(impls.RaggedCropper)
	_, selects := c.(impls.Selector)
	if !ragged || !crops || !selects {
		return nil, fmt.Errorf("the cache %s cannot hold several requests: one that can is beams", k.name)
	}
	return &together{layer: layer, shape: s, cache: &logged{kind: k, shape: s, cache: c}}, nil
}

func (s *together) begin(r *request) error {
	entries, now, blank := numbers(len(s.entries)), s.entries, len(s.entries)
	if i := slices.Index(s.entries, r); i >= 0 {
		entries[i] = blank
	} else {
		entries, now = append(entries, blank), append(slices.Clone(now), r)
	}
	return s.choose(entries, now)
}

// choose makes the batch anew of its own entries, the blank one last.
func (s *together) choose(entries []int, now []*request) error {
	if err := s.cache.choose(append(entries, len(s.entries))); err != nil {
		return err
	}
	s.entries = now
	return nil
}

func (s *together) update(parts []part, keys, values []float32, see func(*view) error) error {
	width := s.shape.Heads * s.shape.Dim
	batch := s.shape
	batch.Batch = len(s.entries) + 1
	spans := [2][]span{make([]span, batch.Batch), make([]span, batch.Batch)}
	lengths, most := make([]int, batch.Batch), 0
	for _, p := range parts {
		b := slices.Index(s.entries, p.request)
		lo, hi := p.at*width, (p.at+p.n)*width
		spans[0][b], spans[1][b] = span{keys[lo:hi], p.n}, span{values[lo:hi], p.n}
		lengths[b], most = p.n, max(most, p.n)
	}
	k, v, err := s.cache.append(tensorOf(batch, spans[0], most), tensorOf(batch, spans[1], most), lengths)
	if err != nil {
		return fmt.Errorf("layer %d: %w", s.layer, err)
	}
	for _, p := range parts {
		if err := see(s.cache.view(s.layer, p, slices.Index(s.entries, p.request), &k, &v)); err != nil {
			return err
		}
	}
	return nil
}

func (s *together) crop(r *request, n int) error {
	lengths := make([]int, len(s.entries)+1)
	for b, x := range s.entries {
		lengths[b] = len(x.tokens)
	}
	lengths[slices.Index(s.entries, r)] = n
	return s.cache.crop(lengths)
}

func (s *together) fork(r, as *request) error {
	return s.choose(append(numbers(len(s.entries)), slices.Index(s.entries, r)), append(slices.Clone(s.entries), as))
}

func (s *together) drop(gone []*request) error {
	var stay []int
	var now []*request
	for i, r := range s.entries {
		if !slices.Contains(gone, r) {
			stay, now = append(stay, i), append(now, r)
		}
	}
	if len(stay) == 0 {
		s.cache.reset()
		s.entries = nil
		return nil
	}
	return s.choose(stay, now)
}

func (s *together) log(*request) *logged { return s.cache }

func numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// span is n rows of a batch entry.
type span struct {
	rows []float32 // [n, heads, dim]
	n    int
}

// tensorOf rounds the rows of each entry to the cache's element type; they come last
// where an entry has fewer than there are rows.
func tensorOf(s impls.Shape, entries []span, rows int) impls.Tensor {
	t := impls.NewTensor(s, rows)
	for b, e := range entries {
		for r := range e.n {
			for h := range s.Heads {
				at := (r*s.Heads + h) * s.Dim
				encode(t.Row(b*s.Heads+h, rows-e.n+r), e.rows[at:at+s.Dim], s.DType)
			}
		}
	}
	return t
}

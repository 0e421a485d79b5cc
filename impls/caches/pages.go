package caches

import "github.com/slidefuzz/slidefuzz/impls"

// page is the tokens of a page: few, so that short sequences fill several.
type page [4]row

// Pages keeps its tokens in pages of 4, as vLLM and SGLang do: a table says in which
// pages of a pool those of a batch entry lie. Entries and snapshots share pages; who
// writes to a shared page copies it first.
type Pages struct {
	ragged[*table]
	pool pool[page]
}

// NewPages makes an empty cache.
func NewPages(s impls.Shape) (*Pages, error) { return ready(&Pages{}, s) }

// Reset implements impls.Cache.
func (c *Pages) Reset() {
	c.begin(func() *table { return &table{bug: c.bug, pages: list[page]{pool: &c.pool}} })
}

// table is one entry: n tokens in pages, of which the first have been freed.
type table struct {
	bug      bug
	n, first int
	pages    list[page]
}

func (t *table) tokens() int { return t.n }

func (t *table) holds(lo, _ int) bool { return lo >= t.first*len(page{}) }

// page is where a token lies.
func (t *table) page(p int) int { return t.pages.at[p/len(page{})-t.first] }

// append takes a new page where the last is full, and copies a shared one.
func (t *table) append(x row) {
	p, r := t.n, t.n%len(page{})
	if r == 0 {
		t.pages.add(page{})
	} else if last := t.page(p); t.pages.refs[last] > 1 && t.bug != writesShared {
		t.pages.keep(t.pages.at[:len(t.pages.at)-1])
		t.pages.add(t.pages.items[last])
	}
	t.pages.items[t.page(p)][r] = x
	t.n++
}

func (t *table) rows(lo int) (list []held) {
	for p := lo; p < t.n; p++ {
		list = append(list, held{p, t.pages.items[t.page(p)][p%len(page{})]})
	}
	return list
}

// slide frees the pages that lie before the window.
func (t *table) slide(window int) {
	gone := oldest(t.n, window)/len(page{}) - t.first
	t.pages.keep(t.pages.at[gone:])
	t.first += gone
}

// crop frees the pages that lie behind the end.
func (t *table) crop(n int) {
	t.pages.keep(t.pages.at[:(n+len(page{})-1)/len(page{})-t.first])
	t.n = n
}

func (t *table) clone() *table { return &table{t.bug, t.n, t.first, t.pages.clone()} }

func (t *table) drop() { t.pages.drop() }

package caches

import "slices"

// pageRows is the tokens of a page: few, so that short sequences fill several.
const pageRows = 4

// pool is the pages of all tables. One that nobody holds is free.
type pool []page

type page struct {
	refs int // how many lists of tables hold it
	rows [pageRows]row
}

// alloc is the number of a free page, held once.
func (p *pool) alloc(rows [pageRows]row) int {
	id := slices.IndexFunc(*p, func(x page) bool { return x.refs == 0 })
	if id < 0 {
		id = len(*p)
		*p = append(*p, page{})
	}
	(*p)[id] = page{1, rows}
	return id
}

// count adds to who holds each page of a list.
func (p *pool) count(list []int, by int) {
	for _, id := range list {
		(*p)[id].refs += by
	}
}

// table is the sequences of a batch, n tokens each: the pages of each entry, whose
// first pages have been freed.
type table struct {
	pool     *pool
	n, first int
	pages    [][]int
}

// row is the place of a token, in a new page behind the last where it needs one.
func (t *table) row(b, position int) *row {
	at := position/pageRows - t.first
	if at == len(t.pages[b]) {
		t.pages[b] = append(t.pages[b], t.pool.alloc([pageRows]row{}))
	}
	return &(*t.pool)[t.pages[b][at]].rows[position%pageRows]
}

// ownLast copies an entry's last page if it is to be written to and is shared.
func (t *table) ownLast(b int) {
	last := len(t.pages[b]) - 1
	if t.n%pageRows == 0 || (*t.pool)[t.pages[b][last]].refs == 1 {
		return
	}
	shared := t.pages[b][last]
	t.pages[b][last] = t.pool.alloc((*t.pool)[shared].rows)
	t.pool.count([]int{shared}, -1)
}

// trim keeps the first n tokens and frees the pages that lie before position lo.
func (t *table) trim(n, lo int) {
	first, end := lo/pageRows-t.first, (n+pageRows-1)/pageRows-t.first
	for b, list := range t.pages {
		t.pool.count(list[:first], -1)
		t.pool.count(list[end:], -1)
		t.pages[b] = list[first:end]
	}
	t.n, t.first = n, t.first+first
}

// share is a table of some entries, which holds their pages too.
func (t *table) share(entries []int) table {
	s := table{pool: t.pool, n: t.n, first: t.first}
	for _, b := range entries {
		t.pool.count(t.pages[b], 1)
		s.pages = append(s.pages, slices.Clone(t.pages[b]))
	}
	return s
}

func (t table) clone() table {
	all := make([]int, len(t.pages))
	for b := range all {
		all[b] = b
	}
	return t.share(all)
}

func (t table) drop() {
	for _, list := range t.pages {
		t.pool.count(list, -1)
	}
}

package caches

import "slices"

// pool is items that entries and snapshots share; each counts who holds it, and one
// that nobody holds is free.
type pool[T any] struct {
	items []T
	refs  []int
}

// list is the items that somebody holds, by number.
type list[T any] struct {
	*pool[T]
	at []int
}

// add takes a free item, which is now x, behind the last.
func (l *list[T]) add(x T) {
	at := slices.Index(l.refs, 0)
	if at < 0 {
		at = len(l.items)
		l.items, l.refs = append(l.items, x), append(l.refs, 0)
	}
	l.items[at], l.refs[at] = x, 1
	l.at = append(l.at, at)
}

// keep gives back all but some of the items.
func (l *list[T]) keep(at []int) {
	kept := list[T]{l.pool, at}.clone()
	l.drop()
	*l = kept
}

// clone holds the same items once more.
func (l list[T]) clone() list[T] {
	for _, at := range l.at {
		l.refs[at]++
	}
	l.at = slices.Clone(l.at)
	return l
}

func (l list[T]) drop() {
	for _, at := range l.at {
		l.refs[at]--
	}
}

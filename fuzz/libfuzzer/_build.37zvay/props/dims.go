package props

import (
	"fmt"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// dims are the numbers of elements in a row that a cache takes: those of a list, or
// the multiples of a number. The zero value is any.
type dims struct {
	list  []int
	of    int  // 0 for no multiples
	multi bool // of was given
}

// triedMultiples is how many of the smallest multiples stand for the dims that are
// drawn small.
const triedMultiples = 4

func (d *dims) has(n int) bool {
	switch {
	case d.multi:
		return n%d.of == 0
	case len(d.list) > 0:
		return slices.Contains(d.list, n)
	}
	return true
}

// fit is one of them in the place of a number that was drawn; more was drawn besides.
func (d *dims) fit(drawn, more int) int {
	switch {
	case d.multi && drawn <= triedMultiples:
		return d.of * drawn
	case d.multi:
		return d.of * ((drawn-1)/d.of + 1)
	case len(d.list) > 0:
		return d.list[(drawn+more)%len(d.list)]
	}
	return drawn
}

// least is the first of them.
func (d *dims) least() int {
	switch {
	case d.multi:
		return d.of
	case len(d.list) > 0:
		return d.list[0]
	}
	return 1
}

// outside is numbers near them that they leave out: one too small, one a little too
// large, and between two multiples the middle, which code may take for one that
// copies rows by a smaller word.
func (d *dims) outside() []int {
	if !d.multi {
		return outside(d.list)
	}
	var all []int
	for _, n := range [...]int{1, d.of + 1, d.of + d.of/2} {
		if !d.has(n) && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// option is the name of the option that says them.
func (d *dims) option() string {
	if d.multi {
		return "DimsMultipleOf"
	}
	return "Dims"
}

// check reports the first number that no cache can have.
func (d *dims) check() error {
	for _, n := range d.list {
		if err := extent("Dims", n); err != nil {
			return err
		}
	}
	if !d.multi {
		return nil
	}
	return extent("DimsMultipleOf", d.of)
}

// extent reports a number of an option that is no extent of a shape.
func extent(option string, n int) error {
	if n < 1 || n > impls.MaxExtent {
		return fmt.Errorf("%s: %d is outside 1..%d", option, n, impls.MaxExtent)
	}
	return nil
}

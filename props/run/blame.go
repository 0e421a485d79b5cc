package run

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// blameRuns is how often a refusal must have changed the cache, and its absence
// not: a race that shows in every second run meets both by chance once in 4,096.
const blameRuns = 6

// Blame looks again at d, of a case in which rows went wrong some time after
// operations, counted from 1, were refused (see judge.Uncertain). One of them is to
// blame, which the result then says, if the case fails each time that again runs it,
// and never without that operation; or if it is enough alone: the case fails each
// time with no other of them, and never with none.
func Blame(d *corpus.Divergence, c *corpus.Case, refused []int, again func(*corpus.Case) (*corpus.Divergence, error)) (*corpus.Divergence, error) {
	if d == nil || d.Fault != corpus.FaultRows && d.Fault != corpus.FaultShape && d.Fault != corpus.FaultVisible {
		return d, nil
	}
	c = c.Clone()
	c.Ops = c.Ops[:min(d.Op, len(c.Ops))] // what comes later may go wrong for reasons of its own
	none := but(c, refused)
	for _, op := range slices.Backward(refused) { // the last one is the likeliest
		others := slices.DeleteFunc(slices.Clone(refused), func(x int) bool { return x == op })
		pairs := [][2]*corpus.Case{{but(c, []int{op}), c}}
		if len(others) > 0 {
			pairs = append(pairs, [2]*corpus.Case{none, but(c, others)})
		}
		for _, x := range pairs {
			if to, err := toBlame(x[0], x[1], again); err != nil {
				return nil, err
			} else if to {
				return judge.Blame(d, c, op), nil
			}
		}
	}
	return d, nil
}

// but is a case without some operations, counted from 1, in their order.
func but(c *corpus.Case, ops []int) *corpus.Case {
	c = c.Clone()
	for _, op := range slices.Backward(ops) {
		c.Ops = slices.Delete(c.Ops, op-1, op)
	}
	return c
}

// toBlame reports whether a case never fails without what another has, which always
// does.
func toBlame(without, with *corpus.Case, again func(*corpus.Case) (*corpus.Divergence, error)) (bool, error) {
	for range blameRuns {
		for _, x := range [...]struct {
			c    *corpus.Case
			fail bool
		}{{without, false}, {with, true}} {
			d, err := again(x.c)
			if err != nil || x.fail != (d != nil) {
				return false, err
			}
		}
	}
	return true, nil
}

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
// and never without that operation.
func Blame(d *corpus.Divergence, c *corpus.Case, refused []int, again func(*corpus.Case) (*corpus.Divergence, error)) (*corpus.Divergence, error) {
	if d == nil || d.Fault != corpus.FaultRows && d.Fault != corpus.FaultShape {
		return d, nil
	}
	for _, op := range slices.Backward(refused) { // the last one is the likeliest
		if to, err := toBlame(c, op, again); err != nil {
			return nil, err
		} else if to {
			return judge.Blame(d, c, op), nil
		}
	}
	return d, nil
}

// toBlame reports whether an operation is to blame for the failure of a case.
func toBlame(c *corpus.Case, op int, again func(*corpus.Case) (*corpus.Divergence, error)) (bool, error) {
	without := c.Clone()
	without.Ops = slices.Delete(without.Ops, op-1, op)
	for range blameRuns {
		for _, x := range [...]struct {
			c    *corpus.Case
			fail bool
		}{{without, false}, {c, true}} {
			d, err := again(x.c)
			if err != nil || x.fail != (d != nil) {
				return false, err
			}
		}
	}
	return true, nil
}

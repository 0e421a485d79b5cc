package hunt

import "fmt"

// Shard is a part of the cases of a hunt: each case is in exactly one of its shards.
// All shards draw all cases, in the same order, and run their own.
type Shard struct {
	Index int // from 0
	Of    int // shards in all; 0 and 1 are the whole hunt
}

// Whole reports whether the shard is all of the hunt.
func (s Shard) Whole() bool { return s.Of <= 1 }

// String is the shard as hunt --shard takes it, counted from 1.
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index+1, max(1, s.Of)) }

// has reports whether a case, of a number from 1, is the shard's, where so many cases
// in a row go to one shard.
func (s Shard) has(number, together int) bool {
	return s.Whole() || (number-1)/together%s.Of == s.Index
}

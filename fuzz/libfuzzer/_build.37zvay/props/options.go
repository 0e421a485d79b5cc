package props

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// Option says what TestCache expects of a cache, and what it tries. An option
// that is given twice holds as it was given last.
//
// [Dims] or [DimsMultipleOf], [Batches], [LargestChunk], [Without] and [Slack] are
// limits that a maintainer chose: they are no faults. What lies just outside of a
// limit is tried as well, and must be refused, by the constructor or by Update, with
// an error, and change nothing. So a limit that is declared is also tested.
type Option func(*suite)

// said notes an option as it is written in Go, in the place of the one of that name
// before: a failure prints what its replay needs.
func (s *suite) said(name string, args ...string) {
	s.unsay(name)
	s.options = append(s.options, option{name, fmt.Sprintf("props.%s(%s)", name, strings.Join(args, ", "))})
}

// unsay takes back the option of that name.
func (s *suite) unsay(name string) {
	s.options = slices.DeleteFunc(s.options, func(o option) bool { return o.name == name })
}

// option is one that was given: its name, and how it is written.
type option struct{ name, text string }

// written is numbers or words as arguments are written in Go.
func written[T any](format string, all []T) []string {
	words := make([]string, len(all))
	for i, x := range all {
		words[i] = fmt.Sprintf(format, x)
	}
	return words
}

// Chunks judges by the wider contract of [impls.Cache]: any chunk at any time, by
// what each query sees. The default is the narrow one: rows in their order, and a
// chunk of several tokens that crosses the end of the window is refused.
func Chunks() Option {
	return func(s *suite) {
		s.contract = oracle.Chunks
		s.said("Chunks")
	}
}

// DTypes are the element types that are tried. The default is all five. A cache is
// not asked for others, but a chunk of another element type than the cache's must
// be refused, whatever type it is.
func DTypes(d ...impls.DType) Option {
	return func(s *suite) {
		s.dtypes = d
		names := written("impls.%s", d)
		for i := range names {
			names[i] = strings.ReplaceAll(names[i], "_", "") // F8_E4M3
		}
		s.said("DTypes", names...)
	}
}

// Layouts are the layouts that are tried. The default is both. A cache is not asked
// for the other.
func Layouts(l ...impls.Layout) Option {
	return func(s *suite) {
		s.layouts = l
		names := make([]string, len(l))
		for i, x := range l {
			if names[i] = "impls.HeadsFirst"; x == impls.TokensFirst {
				names[i] = "impls.TokensFirst"
			}
		}
		s.said("Layouts", names...)
	}
}

// Dims are the numbers of elements in a row that the cache takes, as kernels do
// that are written for head dims of 64 and 128. The default is any number, of
// which those up to 256 are tried. Any other must be refused: the constructor returns an
// error, or the cache refuses every chunk. Dims and [DimsMultipleOf] are one option:
// the last of them holds.
func Dims(n ...int) Option {
	return func(s *suite) {
		s.dims = dims{list: n}
		s.said("Dims", written("%d", n)...)
		s.unsay("DimsMultipleOf")
	}
}

// DimsMultipleOf says that the cache takes rows of any multiple of n elements and of
// no other number, as code does that copies rows in words or vectors of n elements.
// n to 4n are tried most. Any other number must be refused as with [Dims].
func DimsMultipleOf(n int) Option {
	return func(s *suite) {
		s.dims = dims{of: n, multi: true}
		s.said("DimsMultipleOf", strconv.Itoa(n))
		s.unsay("Dims")
	}
}

// Batches are the numbers of sequences that the cache takes. The default is any
// number, of which those up to 8 are tried. Any other must be refused: the constructor
// returns an error, or the cache refuses every chunk.
func Batches(n ...int) Option {
	return func(s *suite) {
		s.batches = n
		s.said("Batches", written("%d", n)...)
	}
}

// LargestChunk is the most tokens that the cache takes in one chunk, for a window
// of so many rows: at least 1. The default is no bound. A longer chunk must be
// refused at any time, and change nothing. A ring of 2W rows, for one, takes at
// most W+1:
//
//	props.LargestChunk(func(window int) int { return window + 1 })
func LargestChunk(tokens func(window int) int) Option {
	return func(s *suite) {
		s.limits.Largest = tokens
		s.said("LargestChunk", funcName(tokens, "largest"))
	}
}

// Without leaves kinds of chunk and of operation out. The default is none. What
// that means depends on the kind.
//
// A chunk that the cache does not take is still tried, and must be refused with an
// error and change nothing; single tokens are always taken:
//   - "empty": no tokens
//   - "exact": a first chunk of exactly the window's rows
//   - "crossing": several tokens, no more than the window has rows, that cross its
//     end
//   - "long": more tokens than the window has rows
//
// A window of one row is left out by "window-1", and a cache of it must be
// refused: by the constructor, or by refusing every chunk.
//
// What could not be refused, or must be in any case, is not tried:
//   - "odd": chunks of another shape or element type than the cache's, for a cache
//     that does not look
//   - "batch": those among them of another batch
//   - "reset", "crop", "snapshot" (and restores), "select"
//   - "ragged": appends and crops of another number of tokens for each entry
func Without(kinds ...corpus.Feature) Option {
	return func(s *suite) {
		s.limits.Kinds, s.untried, s.unknown = nil, nil, nil
		s.said("Without", written("%q", kinds)...)
		for _, f := range kinds {
			switch f {
			case corpus.Empty, corpus.Exact, corpus.Crossing, corpus.LongChunks:
				s.limits.Kinds = append(s.limits.Kinds, f)
			case corpus.WindowOne, corpus.MismatchedChunks, corpus.OtherBatch, corpus.Resets, corpus.Crops, corpus.Snapshots, corpus.Selects, corpus.Ragged:
				s.untried = append(s.untried, f)
			default:
				s.unknown = append(s.unknown, f)
			}
		}
	}
}

// Slack is how many rows beyond the W-1+q that the queries of a chunk of q tokens
// may see a cache may return once it has had 4W tokens, for a window of W rows. The
// default is W. It is for the wider contract and a cache that does not say which
// rows are seen: rows that grow with the tokens are a window that is not applied.
func Slack(rows int) Option {
	return func(s *suite) {
		s.slack = &rows
		s.said("Slack", strconv.Itoa(rows))
	}
}

// checkOptions reports the first option without meaning.
func (s *suite) checkOptions() error {
	if len(s.unknown) > 0 {
		return fmt.Errorf("Without(%q): want some of %q", s.unknown, corpus.Features())
	}
	if len(s.dtypes) == 0 || len(s.layouts) == 0 {
		return fmt.Errorf("DTypes and Layouts: want at least one")
	}
	if err := s.dims.check(); err != nil {
		return err
	}
	for _, n := range s.batches {
		if err := extent("Batches", n); err != nil {
			return err
		}
	}
	if s.slack != nil && *s.slack < 0 {
		return fmt.Errorf("Slack: %d rows", *s.slack)
	}
	return nil
}

// outside is the nearest numbers that a list leaves out: the smallest of all, and
// the one above the largest. There is none where the list is empty.
func outside(list []int) []int {
	if len(list) == 0 {
		return nil
	}
	low := 1
	for slices.Contains(list, low) {
		low++
	}
	return slices.Compact([]int{low, slices.Max(list) + 1})
}

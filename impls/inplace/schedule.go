package inplace

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// ScheduleKind is how a schedule is written.
type ScheduleKind uint8

// The kinds of schedule. Native leaves the order to the device.
const (
	Ascending ScheduleKind = iota
	List
	Descending
	Random
	Native
)

// Schedule is the order of the blocks of a kernel, whatever their number.
type Schedule struct {
	Kind   ScheduleKind
	Seed   uint64
	Blocks []int // List: these first, the rest ascending
}

func (s Schedule) String() string {
	switch s.Kind {
	case Ascending:
		return "ascending"
	case Descending:
		return "descending"
	case Random:
		return "random " + strconv.FormatUint(s.Seed, 10)
	case Native:
		return "native"
	}
	b := make([]string, len(s.Blocks))
	for i, n := range s.Blocks {
		b[i] = strconv.Itoa(n)
	}
	return strings.Join(b, " ")
}

// ParseSchedule is the inverse of String.
func ParseSchedule(text string) (Schedule, error) {
	f := strings.Fields(text)
	switch {
	case len(f) == 1 && f[0] == "ascending":
		return Schedule{}, nil
	case len(f) == 1 && f[0] == "descending":
		return Schedule{Kind: Descending}, nil
	case len(f) == 1 && f[0] == "native":
		return Schedule{Kind: Native}, nil
	case len(f) == 2 && f[0] == "random":
		seed, err := strconv.ParseUint(f[1], 10, 64)
		if err != nil || strconv.FormatUint(seed, 10) != f[1] {
			return Schedule{}, fmt.Errorf("schedule random %q: want a seed from 0 to 2^64-1", f[1])
		}
		return Schedule{Kind: Random, Seed: seed}, nil
	}
	s := Schedule{Kind: List}
	seen := map[int]bool{}
	for _, w := range f {
		n, err := strconv.Atoi(w)
		if err != nil || n < 0 || n > 1<<31-1 || strconv.Itoa(n) != w {
			return s, fmt.Errorf("schedule %q: want ascending, descending, random SEED, native or block numbers", text)
		}
		if seen[n] {
			return s, fmt.Errorf("schedule: block %d twice", n)
		}
		seen[n] = true
		s.Blocks = append(s.Blocks, n)
	}
	if len(f) == 0 {
		return s, fmt.Errorf("schedule: want ascending, descending, random SEED, native or block numbers")
	}
	return s, nil
}

// Order is the order of n blocks, nil for ascending. Random is Fisher-Yates
// driven by PCG(Seed, n), which the Go compatibility promise keeps the same.
func (s Schedule) Order(n int) []int32 {
	if s.Kind == Ascending || s.Kind == Native || n < 2 {
		return nil
	}
	order := make([]int32, 0, n)
	if s.Kind == List {
		taken := make([]bool, n)
		for _, b := range s.Blocks {
			if b < n {
				order = append(order, int32(b))
				taken[b] = true
			}
		}
		for b := range n {
			if !taken[b] {
				order = append(order, int32(b))
			}
		}
		return order
	}
	for b := range n {
		order = append(order, int32(b))
	}
	switch s.Kind {
	case Descending:
		slices.Reverse(order)
	case Random:
		r := rand.New(rand.NewPCG(s.Seed, uint64(n)))
		r.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	return order
}

// Orders remembers the orders of one schedule, so that a step makes none.
type Orders struct {
	Schedule Schedule
	memo     map[int][]int32
}

// Of is Schedule.Order, remembered.
func (o *Orders) Of(n int) []int32 {
	if o.Schedule.Kind == Ascending || o.Schedule.Kind == Native || n < 2 {
		return nil
	}
	order, ok := o.memo[n]
	if !ok {
		if o.memo == nil {
			o.memo = map[int][]int32{}
		}
		order = o.Schedule.Order(n)
		o.memo[n] = order
	}
	return order
}

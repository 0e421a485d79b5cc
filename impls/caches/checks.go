package caches

import (
	"fmt"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

func refuse(op, format string, args ...any) error {
	return &impls.RefusedError{Op: op, Reason: fmt.Sprintf(format, args...)}
}

// checkChunk refuses a chunk that is not of the cache's shape and of its batch of
// the moment.
func checkChunk(s impls.Shape, batch int, keys, values *impls.Tensor) error {
	for i, t := range [...]*impls.Tensor{keys, values} {
		if t.DType != s.DType || t.Batch != batch || t.Heads != s.Heads || t.Dim != s.Dim {
			return refuse("update", "%s are [%d, %d, %d, %d] %s, want [%d, %d, rows, %d] %s", [...]string{"keys", "values"}[i],
				t.Batch, t.Heads, t.Rows, t.Dim, t.DType, batch, s.Heads, s.Dim, s.DType)
		}
	}
	if keys.Rows != values.Rows {
		return refuse("update", "%d rows of keys and %d of values", keys.Rows, values.Rows)
	}
	return nil
}

// checkEach is checkChunk where each entry takes its own number of the last rows.
func checkEach(s impls.Shape, batch int, keys, values *impls.Tensor, lengths []int) error {
	if err := checkChunk(s, batch, keys, values); err != nil {
		return err
	}
	if len(lengths) != batch || slices.Min(lengths) < 0 || slices.Max(lengths) != keys.Rows {
		return refuse("update", "lengths %v for %d entries and %d rows: want one for each entry, from 0 on, the largest as many as there are rows", lengths, batch, keys.Rows)
	}
	return nil
}

// checkSelect refuses a list that is empty or names an entry outside the batch.
func checkSelect(entries []int, batch int) error {
	if len(entries) == 0 || slices.Min(entries) < 0 || slices.Max(entries) >= batch {
		return refuse("select", "entries %v of a batch of %d", entries, batch)
	}
	return nil
}

// checkCrop refuses lengths that are negative or not one for each entry.
func checkCrop(lengths []int, batch int) error {
	if len(lengths) != batch || slices.Min(lengths) < 0 {
		return refuse("crop", "to %v tokens, want one number from 0 on for each of %d entries", lengths, batch)
	}
	return nil
}

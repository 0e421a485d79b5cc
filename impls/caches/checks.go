package caches

import (
	"fmt"

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

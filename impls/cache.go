package impls

import "errors"

// Cache is a sliding-window key/value cache. Whoever implements it can be
// tested by package props.
type Cache interface {
	// Update appends a chunk of rows, as keys and values of the same shape,
	// and returns the keys and values to attend over. The caller keeps its
	// tensors; the cache must neither change nor keep them. An error refuses
	// the chunk and leaves the cache as it was.
	Update(keys, values Tensor) (Tensor, Tensor, error)
	// Reset makes the cache as new.
	Reset()
}

// Storer is a Cache that shows its buffers: Window rows, live rows first,
// oldest first, the rest zero.
type Storer interface {
	Stored() (keys, values Tensor)
}

// Cropper is a Cache that can forget its newest tokens: Crop keeps the first n
// of all tokens ever appended, or refuses and changes nothing.
type Cropper interface {
	Crop(n int) error
}

// Snapshotter is a Cache whose whole state can be saved under a number, and
// brought back whatever was done in between.
type Snapshotter interface {
	Snapshot(id int) error
	Restore(id int) error
}

// Positioner is a Cache that returns rows in an order of its own: the position
// of each row returned last, -1 for an empty row. One list holds for the whole
// batch, or there is one for each batch entry; nil means the usual order.
type Positioner interface {
	Positions() [][]int
}

// Sinker is a Cache whose queries see the first Sinks tokens besides their
// window.
type Sinker interface {
	Sinks() int
}

// ErrRefused is what every refusal of a built-in cache wraps.
var ErrRefused = errors.New("refused")

// RefusedError is a request outside the contract; the cache is as it was.
type RefusedError struct {
	Op     string // "update", "crop", "restore"
	Reason string
}

func (e *RefusedError) Error() string { return e.Op + " refused: " + e.Reason }

// Unwrap makes errors.Is(err, ErrRefused) true.
func (e *RefusedError) Unwrap() error { return ErrRefused }

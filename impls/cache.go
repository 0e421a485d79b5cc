package impls

import "errors"

// Cache is a sliding-window key/value cache. Whoever implements it can be
// tested by package props. The optional interfaces below say what else a cache
// can do; one that also has Close() error (io.Closer) is closed once it is no
// longer needed.
//
// A cache is made for one [Shape] and starts empty. Its tokens are counted from
// 0; each brings one row of keys and one of values to every (batch, head) lane.
// Window is how many tokens a query sees: the query at position p sees those
// from max(0, p-Window+1) to p.
//
// There are two contracts, and a cache keeps one of them.
//
// The narrow contract is that of a buffer of Window rows that moves to the left:
//   - A chunk that still fits, with n tokens before it and n+q <= Window, is
//     written behind them. Update returns the buffer: Window rows, the live ones
//     first, oldest first, the rest zero.
//   - One token at a full window moves every row one to the left and comes last.
//     Update returns the buffer.
//   - A chunk of more than Window tokens, at any time, is returned whole, q rows,
//     and its last Window rows are stored.
//   - Every other chunk is refused: one of no tokens, and one of several that
//     is no longer than the window and crosses its end.
//
// The wider contract takes a chunk of any length at any time, also of no tokens,
// which changes nothing. Update returns at least the rows that the chunk's
// queries see. Of R rows returned after T tokens in all, the chunk's included:
// if R >= T they are tokens 0 to T-1 and then zeros; otherwise they are the
// newest R tokens, oldest first. A [Positioner] may return them in any order.
//
// Rows are compared bit for bit: a cache moves cells and never computes with
// them.
type Cache interface {
	// Update appends a chunk of q tokens and returns the rows to attend over.
	// keys and values are [Batch, Heads, q, Dim] of the shape's DType; so is
	// what is returned, with another number of rows.
	//
	// A chunk of another batch, number of heads, dim or element type, or with
	// other rows of keys than of values, is refused, and so is what the
	// contract refuses. An error of any type refuses the chunk: the cache is
	// then bit for bit what it was, and what else is returned means nothing.
	//
	// The caller keeps its tensors and writes to them afterwards: the cache
	// must neither change them nor keep their memory. They may have any
	// strides, may be one and the same tensor, and may be views of what the
	// cache returned before. What is returned may be the cache's own buffer or,
	// for a chunk that is returned whole, the caller's tensors; it is read
	// before the next call and not written to.
	Update(keys, values Tensor) (Tensor, Tensor, error)
	// Reset makes the cache as new: empty, with the batch of its shape. What
	// snapshots hold remains.
	Reset()
}

// Storer is a Cache that shows its buffers: [Batch, Heads, Window, Dim], the
// live rows first, oldest first, the rest zero. They keep their address from one
// Reset to the next, while the batch is the same. After a crop they may hold one
// token less than they have rows. Under the narrow contract Update returns these very
// buffers, except for a chunk longer than the window.
type Storer interface {
	Stored() (keys, values Tensor)
}

// Cropper is a Cache that can forget its newest tokens, as speculative decoding
// does with those that were not accepted. Crop keeps the first n (>= 0) of all
// tokens appended since the last Reset; with fewer than that nothing happens. It
// may refuse any n with an error, and the cache is then what it was. A cache that
// accepts must still hold the Window-1 tokens before n that the next query sees.
type Cropper interface {
	Crop(n int) error
}

// RaggedCropper is a Cache whose batch entries are cropped each to its own
// length, and may differ in length from then on. CropEach keeps the first
// lengths[b] tokens of entry b; an entry with fewer stays as it is. lengths has
// one number for each entry. One entry that is refused means that none is
// changed.
type RaggedCropper interface {
	CropEach(lengths []int) error
}

// RaggedUpdater is a Cache that appends another number of tokens to each batch
// entry. UpdateEach is Update of a chunk [batch, Heads, q, Dim] of which entry b
// takes its last lengths[b] rows, from 0 to q, and the largest of them is q. The
// rows before are padding, which is neither stored nor seen. If any entry must
// refuse its tokens, the whole chunk is refused.
type RaggedUpdater interface {
	UpdateEach(keys, values Tensor, lengths []int) (Tensor, Tensor, error)
}

// Selector is a Cache whose batch can be made anew of its own entries: beam
// search changes their order, a fork repeats one, a finished request drops out.
// After Select, entry i is what entry entries[i] was and goes its own way, and the
// batch is as long as the list (at least 1). Chunks then have that batch. An index
// outside the batch is refused, and the cache is then what it was.
type Selector interface {
	Select(entries []int) error
}

// Layered is a Cache of several layers, as a model's is: some with the window of
// the shape, some that see all tokens. A chunk of the model is one UpdateLayer for
// each layer, from 0 on, each with rows of its own, and never an Update; what
// Positions and Visible say then is of that layer. All else is of all layers at
// once, which must agree on how many tokens there are.
//
// Judged under the wider contract, by chunks of as many tokens in each entry.
type Layered interface {
	// Layers gives the window of each layer in rows, 0 for one that sees all
	// tokens. The list stays the same.
	Layers() []int
	UpdateLayer(layer int, keys, values Tensor) (Tensor, Tensor, error)
}

// Snapshotter is a Cache whose whole state, the batch included, can be saved
// under a number and brought back, as often as one likes and whatever was done
// in between, Reset included. Snapshot may refuse; a number that was used before
// is used anew. Restore must bring back what Snapshot took, and must refuse a
// number under which nothing was saved. After an error the cache is what it was.
type Snapshotter interface {
	Snapshot(id int) error
	Restore(id int) error
}

// Positioner is a Cache that returns rows in an order of its own, as a ring
// does. Positions()[b][r] is the position of the token in row r, for batch entry
// b, of what Update returned last; -1 is an empty row. A single list holds for
// the whole batch; nil means the usual order. No position comes twice, and each
// row holds the token that it claims, in keys and values.
//
// Under the narrow contract they replace the order of rows: what is returned holds
// the newest tokens, as many as the window has rows, each once, and nothing else; of
// an entry that was handed more than that, the chunk's own. A cache that says positions
// is not asked where its buffers are, nor for rows that move to the left.
type Positioner interface {
	Positions() [][]int
}

// Masker is a Cache that says which rows each query attends to.
// Visible()[b][i][r] is whether query i of the chunk, for batch entry b, attends
// to row r of what Update returned last: [batch or 1, q, rows], where a single
// entry holds for the whole batch. nil means all that the window and the rows'
// positions allow. Each query attends once to each token that it must see, and to
// nothing else; a row to which no query attends may claim and hold anything. Of a chunk
// with another number of tokens for each entry only the queries of its tokens count.
//
// Under the narrow contract a chunk longer than the window is judged without it.
type Masker interface {
	Visible() [][][]bool
}

// Sinker is a Cache whose queries see the first Sinks (>= 0) tokens of their
// sequence besides their window, as attention sinks are. The number stays the
// same.
//
// Judged under the wider contract; the narrow one has no sinks.
type Sinker interface {
	Sinks() int
}

// ErrRefused is what every refusal of a built-in cache wraps. Other caches may
// refuse with any error.
var ErrRefused = errors.New("refused")

// RefusedError is a request outside the contract; the cache is as it was.
type RefusedError struct {
	Op     string // "update", "crop", "restore"
	Reason string
}

func (e *RefusedError) Error() string { return e.Op + " refused: " + e.Reason }

// Unwrap makes errors.Is(err, ErrRefused) true.
func (e *RefusedError) Unwrap() error { return ErrRefused }

package oracle

// Contract is what an update promises.
type Contract uint8

const (
	// Single is the contract of pytorch#159855: several tokens never cross the
	// border of a window. A cache that keeps it is judged by exact rows.
	Single Contract = iota
	// Chunks takes any chunk at any time. A cache that keeps it is judged by
	// what each query sees.
	Chunks
)

// Refuses reports whether a chunk of q tokens after n must be refused, in a
// window of so many rows.
func (c Contract) Refuses(n, q, window int) bool {
	return c == Single && (q == 0 || q > 1 && q <= window && n+q > window)
}

// RefusesBatch reports whether a batch of so many entries must be refused: none.
func (Contract) RefusesBatch(int) bool { return false }

// Promise is what a cache promises to take: a contract, or one with limits that its
// author has declared.
type Promise interface {
	// Refuses reports whether a chunk of q tokens after n must be refused, in a
	// window of so many rows.
	Refuses(n, q, window int) bool
	// RefusesBatch reports whether a batch of so many entries must be refused.
	RefusesBatch(entries int) bool
}

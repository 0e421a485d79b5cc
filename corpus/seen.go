package corpus

// Seen is what some rows of a tensor held where a case failed, beside what they
// should hold: those around the first wrong one, in its lane and in a few others
// that have wrong rows. It is what a picture of the failure needs.
type Seen struct {
	Rows       int  // of the tensor, in each lane
	Lanes      int  // of the tensor
	WrongLanes int  // those with a wrong row
	Claimed    bool // the cache says which position each row has
	Drawn      []SeenLane
}

// SeenLane is some rows of one lane, in order.
type SeenLane struct {
	Lane, Wrong int // Wrong counts all its wrong rows, also those that are not here
	Rows        []SeenRow
}

// SeenRow is one row. Want and Got are words; Want is empty where the row may hold
// anything, Got where it is right.
type SeenRow struct {
	Row      int
	Position int // which the cache says that it has, or has by its place; -1 for none
	Want     string
	Got      string
	Wrong    bool
}

// Said is what a cache said to an operation.
type Said uint8

// The answers of a cache. What it cannot do it is not asked.
const (
	NotAsked Said = iota
	Accepted
	Refused
)

// Held is what a buffer of a program should hold after a statement: its first rows,
// each by the buffer and the row whose start value it has, as x3.
type Held struct {
	Statement string
	Buffer    string
	Rows      []string
	More      int // rows that are not listed
}

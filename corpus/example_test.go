package corpus_test

import (
	"fmt"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// A case that was read and not changed prints as it was read; one that was
// changed prints in the usual form.
func ExampleParse() {
	c, err := corpus.Parse("case.txt", []byte(`slidefuzz case v1
shape batch=1 heads=1 window=2 dim=1 dtype=F32 layout=heads-first
target roll/drop-war/sim
block 1 # a block for each cell
schedule descending
append 2
append 1
`), 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	c.Ops = append(c.Ops, corpus.Op{Kind: corpus.Reset})
	fmt.Printf("%s", c.Text())
	// Output:
	// slidefuzz case v1
	// shape batch=1 heads=1 window=2 dim=1 dtype=F32 layout=heads-first
	// target roll/drop-war/sim
	// block 1
	// schedule descending
	// append 2
	// append 1
	// reset
}

// An error names the file and the line.
func ExampleParse_error() {
	_, err := corpus.Parse("case.txt", []byte("slidefuzz case v1\nappend two\n"), 0)
	fmt.Println(err)
	// Output: case.txt:2: append: "two" is not a number
}

// Any bytes are a case, and the same bytes are always the same one.
func ExampleDecode() {
	c := corpus.Decode([]byte("sliding"))
	fmt.Printf("%s", c.Text())
	// Output:
	// slidefuzz case v1
	// shape batch=2 heads=1 window=7 dim=1 dtype=U8 layout=tokens-first
	// target cat-assign/fused/sim
	// block 15
	// schedule random 0
	// append 2
	// append 1
}

// What a case has is told by names that hunts count, and leave out.
func ExampleFeaturesOf() {
	c := corpus.Decode(nil)
	fmt.Println(c.Shape.Window, c.Ops, corpus.FeaturesOf(c))
	c.Ops = append(c.Ops, corpus.Op{Kind: corpus.Append, N: 2}, corpus.Op{Kind: corpus.Append, N: 9})
	fmt.Println(corpus.FeaturesOf(c))
	// Output:
	// 3 [append 2 append 1] []
	// [crossing long]
}

func ExampleChunkKind() {
	const window = 4
	for _, x := range [][2]int{{0, 4}, {3, 2}, {3, 1}, {3, 5}, {3, 0}} {
		n, q := x[0], x[1]
		fmt.Printf("%d tokens after %d: %q\n", q, n, corpus.ChunkKind(n, q, window))
	}
	// Output:
	// 4 tokens after 0: "exact"
	// 2 tokens after 3: "crossing"
	// 1 tokens after 3: ""
	// 5 tokens after 3: "long"
	// 0 tokens after 3: "empty"
}

package fuzzfile_test

import (
	"fmt"

	"github.com/slidefuzz/slidefuzz/corpus/fuzzfile"
)

// The file that `go test -fuzz` leaves for an input that fails.
func ExampleBytes() {
	in, err := fuzzfile.Bytes([]byte("go test fuzz v1\n[]byte(\"\\x00\\x01AB\")\n"))
	fmt.Println(in, err)
	// Output: [0 1 65 66] <nil>
}

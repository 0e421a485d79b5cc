package main

// #include <stddef.h>
// #include <stdint.h>
import "C"

import (
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"github.com/slidefuzz/slidefuzz/fuzz/libfuzzer/testing"
)

var target = func() *testing.F {
	f := &testing.F{}
	FuzzCase(f)
	// The script asks for the seeds once, as files.
	if dir := os.Getenv("SLIDEFUZZ_WRITE_SEEDS"); dir != "" {
		for i, seed := range f.Seeds() {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("seed-%d", i)), seed, 0o644); err != nil {
				panic(err)
			}
		}
	}
	return f
}()

//export LLVMFuzzerTestOneInput
func LLVMFuzzerTestOneInput(data *C.uint8_t, size C.size_t) C.int {
	// A copy: libFuzzer's memory is not to be kept.
	target.Execute(C.GoBytes(unsafe.Pointer(data), C.int(size)))
	return 0
}

func main() {}

// Package testing stands in for the standard one where the native fuzz targets are
// built for libFuzzer: T is a testing.TB, with the methods that they and package props
// call. That of go-118-fuzz-build lacks some (Context, ArtifactDir), so that nothing
// which takes a testing.TB builds with it.
package testing

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// TB is the standard one.
type TB = testing.TB

// T fails by a panic, which libFuzzer takes for a crash. Methods that are not here
// panic too, by the nil testing.TB.
type T struct{ testing.TB }

// Helper does nothing.
func (*T) Helper() {}

// Name is that of no test.
func (*T) Name() string { return "libfuzzer" }

// Context does not end.
func (*T) Context() context.Context { return context.Background() }

// Failed is false, or the process would be gone.
func (*T) Failed() bool { return false }

// ArtifactDir is the folder for what a failure leaves behind, the working directory.
func (*T) ArtifactDir() string { return "." }

// Log writes to standard error, where libFuzzer writes.
func (*T) Log(args ...any) { fmt.Fprintln(os.Stderr, args...) }

// Logf is Log of a format.
func (t *T) Logf(format string, args ...any) { t.Log(fmt.Sprintf(format, args...)) }

// FailNow ends the process.
func (*T) FailNow() { panic("the fuzz target failed") }

// Fatal is Log and FailNow.
func (t *T) Fatal(args ...any) {
	t.Log(args...)
	t.FailNow()
}

// Fatalf is Logf and FailNow.
func (t *T) Fatalf(format string, args ...any) {
	t.Logf(format, args...)
	t.FailNow()
}

// Error ends the process at once.
func (t *T) Error(args ...any) { t.Fatal(args...) }

// Errorf ends the process at once.
func (t *T) Errorf(format string, args ...any) { t.Fatalf(format, args...) }

// Skip ends the process: libFuzzer would run a target that skips for nothing.
func (t *T) Skip(args ...any) {
	t.Log(args...)
	os.Exit(2)
}

// Run runs a subtest.
func (t *T) Run(_ string, test func(*T)) bool {
	test(t)
	return true
}

// Deadline is that of a test without one.
func (*T) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Cleanup panics at once: nothing here ends.
func (*T) Cleanup(func()) { panic("a fuzz target of libFuzzer has no end") }

// Short is false.
func Short() bool { return false }

// F takes a target and its seeds.
type F struct {
	T
	target func(*T, []byte)
	seeds  [][]byte
}

// Add keeps a seed, which is bytes for all targets of this module.
func (f *F) Add(args ...any) {
	for _, a := range args {
		seed, ok := a.([]byte)
		if !ok {
			panic(fmt.Sprintf("a seed of type %T, want []byte", a))
		}
		f.seeds = append(f.seeds, append([]byte{}, seed...))
	}
}

// Fuzz keeps the target for Execute.
func (f *F) Fuzz(target func(*T, []byte)) { f.target = target }

// Execute runs the target once, on an input that it may keep.
func (f *F) Execute(in []byte) { f.target(&f.T, in) }

// Seeds are those that were added.
func (f *F) Seeds() [][]byte { return f.seeds }

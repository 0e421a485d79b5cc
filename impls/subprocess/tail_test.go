package subprocess

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What a process says of its end is told, not what its log says after that, nor an error
// that it survived.
func TestLastWords(t *testing.T) {
	for _, x := range []struct{ before, after, want string }{
		{"", "Traceback (most recent call last):\n  File \"w.py\", line 3\nRuntimeError: no memory\nINFO: 0 errors, bye\n", "RuntimeError: no memory"},
		{"", "terminate called after throwing an instance\n  what():  bad\nINFO bye\n", "what():  bad"},
		{"", "goroutine 1\npanic: no\nexit status 2\n", "panic: no"},
		{"", "panic: no [recovered, repanicked]\n\ngoroutine 1 [running]:\nmain.main.func1()\n\t/errors/m.go:6 +0x25\npanic({0x4839c0?, 0x521aa0?})\n\t/go/src/runtime/panic.go:860 +0x13a\n", "panic: no [recovered, repanicked]"},
		{"", "thread 'main' panicked at src/main.rs:2:5: no\nnote: run with a backtrace\n", "thread 'main' panicked at src/main.rs:2:5: no"},
		{"", "Fatal Python error: Segmentation fault\n\nCurrent thread 0x1 (most recent call first):\n  File \"/torch/errors.py\", line 3 in step\n", "Fatal Python error: Segmentation fault"},
		{"ValueError: refused\n", "double free\n", "double free"},
		{"ValueError: refused\n", "", "ValueError: refused"},
		{"", "INFO one\nINFO two\n\n", "INFO two"},
		{"", "", ""},
	} {
		var s tail
		_, _ = s.Write([]byte(x.before))
		s.ask()
		_, _ = s.Write([]byte(x.after))
		assert.Equal(t, x.want, s.last())
	}
	var long tail
	_, _ = long.Write(make([]byte, tailBytes))
	long.ask()
	_, _ = long.Write([]byte("an error\nand more"))
	assert.Equal(t, "an error", long.last())
}

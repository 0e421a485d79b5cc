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

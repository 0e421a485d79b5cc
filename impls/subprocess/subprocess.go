// Package subprocess has what the suite's child processes share: a process group of
// their own, and the last words of one that died.
package subprocess

import (
	"strings"
	"sync"
)

// Tail keeps the end of what is written to it. Its zero value is ready.
type Tail struct {
	mu   sync.Mutex
	text []byte
}

// tailBytes is enough for the last lines of a stack trace, or for a compiler's
// first errors.
const tailBytes = 4096

// Write implements io.Writer. It never fails.
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b[max(0, len(b)-tailBytes):]...)
	if n := len(t.text) - tailBytes; n > 0 {
		t.text = append(t.text[:0], t.text[n:]...)
	}
	return len(b), nil
}

// Last is the last line that was written.
func (t *Tail) Last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := strings.TrimSpace(string(t.text))
	return s[strings.LastIndexByte(s, '\n')+1:]
}

package subprocess

import (
	"strings"
	"sync"

	"github.com/slidefuzz/slidefuzz/impls/printable"
)

// tail keeps the end of what is written to it. Its zero value is ready.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// tailBytes is enough for the last lines of a stack trace, or for a compiler's
// first errors.
const tailBytes = 4096

// Write implements io.Writer. It never fails.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b[max(0, len(b)-tailBytes):]...)
	if n := len(t.text) - tailBytes; n > 0 {
		t.text = append(t.text[:0], t.text[n:]...)
	}
	return len(b), nil
}

// last is the last line that was written, fit to print.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := strings.TrimSpace(string(t.text))
	return printable.Line(s[strings.LastIndexByte(s, '\n')+1:])
}

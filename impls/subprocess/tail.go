package subprocess

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/slidefuzz/slidefuzz/impls/printable"
)

// tail keeps the end of what is written to it. Its zero value is ready.
type tail struct {
	mu   sync.Mutex
	text []byte
	mark int // how much of it was there at the last call of ask
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
		t.mark = max(0, t.mark-n)
	}
	return len(b), nil
}

// ask notes that what is written from now on is about something new.
func (t *tail) ask() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mark = len(t.text)
}

// anError is a line that looks like an error, as in Python, C++, Go and Rust, or of a log.
// chatter is one of a log that does not, and frame one of a Go or Python stack trace, whatever
// words they have.
var (
	anError = regexp.MustCompile(`(?i)error|exception|fatal|panic(:|ked)|assert|abort|segmentation fault|what\(\):`)
	chatter = regexp.MustCompile(`\b(INFO|DEBUG|TRACE)\b`)
	frame   = regexp.MustCompile(`^(\t|  File ")`)
)

// last is the last line that was written since ask and looks like an error, else the last
// line, fit to print.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, line := range slices.Backward(strings.Split(string(t.text[t.mark:]), "\n")) {
		if anError.MatchString(line) && !chatter.MatchString(line) && !frame.MatchString(line) {
			return printable.Line(strings.TrimSpace(line))
		}
	}
	s := strings.TrimSpace(string(t.text))
	return printable.Line(s[strings.LastIndexByte(s, '\n')+1:])
}

// Package printable makes text of others (a worker, a driver, a cache that
// panicked) fit for a terminal, a log and a line of a report.
package printable

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxBytes bounds what is kept of a text: a compiler's error takes a few
// hundred bytes, and what is longer nobody reads.
const maxBytes = 2000

// Line is text as one line: line breaks and tabs become spaces, and what a
// terminal would obey or a reader would not see (control characters, marks of
// direction, bytes that are no UTF-8) becomes its escape in Go's notation. Of a
// long text the first 2,000 bytes are kept.
func Line(text string) string {
	cut := ""
	if len(text) > maxBytes {
		n := maxBytes
		for n > maxBytes-utf8.UTFMax && !utf8.RuneStart(text[n]) {
			n--
		}
		text, cut = text[:n], " …"
	}
	var b strings.Builder
	for text = strings.TrimSpace(text); text != ""; {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case r == '\n' || r == '\r' || r == '\t':
			b.WriteByte(' ')
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
		text = text[n:]
	}
	return b.String() + cut
}

package printable

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		"plain, größer, 窓":            "plain, größer, 窓",
		" a\nb\r\n\tc \n":             "a b   c",
		"\x1b[31mred\x1b[0m":          `\x1b[31mred\x1b[0m`,
		"\x00\x07\x7f\u0085.":         `\x00\a\x7f\u0085.`,
		"bad \xff\xfe":                `bad \xff\xfe`,
		"a\u202egnp.exe\u2028b\u200b": `a\u202egnp.exe\u2028b\u200b`,
		"<b>`code`</b>":               "<b>`code`</b>", // a page escapes what it must
	} {
		require.Equal(t, want, Line(text), "%q", text)
	}
	long := Line(strings.Repeat("窓", maxBytes))
	require.Less(t, len(long), maxBytes+10)
	require.True(t, strings.HasSuffix(long, " …"))
}

// Whatever comes in, one line of printable text comes out, and stays as it is.
func FuzzLine(f *testing.F) {
	f.Add("a\x1b]0;title\x07\xffb")
	f.Fuzz(func(t *testing.T, text string) {
		line := Line(text)
		if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return !strconv.IsPrint(r) }) {
			t.Fatalf("%q became %q", text, line)
		}
		if again := Line(line); len(line) <= maxBytes && again != line {
			t.Fatalf("%q became %q, and then %q", text, line, again)
		}
	})
}

package report

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a worker says, and what a file holds, is text from strangers. On a page
// it stands in code spans and fences that it cannot close, without control
// characters, which a terminal would obey.

// oneLine is text on one line: white space becomes single spaces, and what does
// not print is written as Go writes it.
func oneLine(v any) string { return visible(strings.Join(strings.Fields(fmt.Sprint(v)), " ")) }

// lines is text of several lines, the last one ended, without other control
// characters.
func lines(v any) string {
	text := strings.ReplaceAll(fmt.Sprintf("%s", v), "\r\n", "\n")
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return visible(text)
}

// visible writes runes that do not print as Go does; new lines and tabs stay.
func visible(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case r == '\n' || r == '\t' || unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
		text = text[n:]
	}
	return b.String()
}

// longestRun is the length of the longest run of backticks.
func longestRun(text string) int {
	most, now := 0, 0
	for _, r := range text {
		if now++; r != '`' {
			now = 0
		}
		most = max(most, now)
	}
	return most
}

// codeSpan is one line as a code span of Markdown: what is in it means nothing.
func codeSpan(v any) string {
	text := oneLine(v)
	if text == "" {
		return "(nothing)"
	}
	ticks := strings.Repeat("`", longestRun(text)+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " " // one space at either end is no part of it
	}
	return ticks + text + ticks
}

// fenced is text between fences longer than any in it.
func fenced(v any) string {
	text := lines(v)
	ticks := strings.Repeat("`", max(3, longestRun(text)+1))
	return ticks + "\n" + text + ticks
}

// plainWord matches words that a shell takes as they are.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./,:@%+-]+$`)

// shellWord is text as one argument of a shell, in quotes where it needs them.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return shellArg(text)
}

// shellArg is text as one argument of a shell.
func shellArg(text string) string {
	switch {
	case visible(text) != text || strings.ContainsAny(text, "\n\t"):
		return "$" + bashQuote(text)
	case strings.Contains(text, "'") && !strings.ContainsAny(text, "\"$`\\!"):
		return `"` + text + `"`
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// bashQuote is what follows $ in bash and zsh for text that does not print: each
// byte that is not plain ASCII by its number.
func bashQuote(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case c == '\'' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03o`, c) // three digits, so that one that follows is no part
		default:
			b.WriteByte(c)
		}
	}
	return "'" + b.String() + "'"
}

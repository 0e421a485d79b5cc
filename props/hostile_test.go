package props

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/hunt"
)

// words are what mutations put into a case: the format's own, numbers at its
// limits, and rubbish.
var words = []string{
	"append", "reset", "crop", "snapshot", "restore", "shape", "target", "block", "schedule", "order 1 keys 0: 1", "expect ok",
	"batch=", "pad=1", "dtype=U8", "0", "1", "-1", "7", "255", "65536", "1048576", "1048577", "2147483647", "9223372036854775807",
	"99999999999999999999", "native", "descending", "random", "program/drop-war/sim", "buffer x 3", "x[0:2] = clone(x[1:3])",
	"x[[1, 1]] = x[0:2]", "roll(", "gather(x[0:3], [", "]", ")", ":", "=", "#", "\x00", "\xff\xfe", "é", "\r", "\n", "\n\n", " ", "\t",
}

func mutate(r *rand.Rand, text string) string {
	for range 1 + r.IntN(3) {
		at := r.IntN(len(text) + 1)
		to := min(len(text), at+r.IntN(12))
		switch r.IntN(12) {
		case 0:
			text = text[:at] + text[to:]
		case 1:
			text = text[:at] + string(rune(r.IntN(256))) + text[at:]
		case 2: // a line twice
			lines := strings.SplitAfter(text, "\n")
			i := r.IntN(len(lines))
			text += lines[i]
		case 3, 4, 5, 6, 7, 8: // another number
			if i := strings.IndexAny(text[at:], "0123456789"); i >= 0 {
				text = text[:at+i] + strconv.Itoa(r.IntN(20)) + text[at+i+1:]
			}
		default:
			text = text[:at] + words[r.IntN(len(words))] + text[to:]
		}
	}
	return text
}

// Random and mutated files end in an error that names a line, or in a clean
// run. SLIDEFUZZ_HOSTILE sets how many: a million takes about a minute.
func TestHostileFiles(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 5_000
	}
	if text := os.Getenv("SLIDEFUZZ_HOSTILE"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	const limit = 1 << 20 // so that no single case takes long
	r := rand.New(rand.NewPCG(3, 4))
	runner := hunt.Local()
	runner.Limit = limit
	targets := window.Targets()
	parsed, diverged, refused := 0, 0, 0
	for range n {
		in := make([]byte, r.IntN(24))
		for i := range in {
			in[i] = byte(r.Uint32())
		}
		c := corpus.Decode(in)
		if r.IntN(3) == 0 {
			c = corpus.DecodeProgram(in)
		} else {
			for c.Target = targets[r.IntN(len(targets))]; c.Target.IsProgram(); {
				c.Target = targets[r.IntN(len(targets))]
			}
		}
		text := mutate(r, string(c.Text()))
		if r.IntN(50) == 0 {
			text = string(in)
		}
		got, err := corpus.Parse("f", []byte(text), limit)
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "f:"), "%q: %v", text, err)
			continue
		}
		require.Equal(t, text, string(got.Text()))
		parsed++
		d, err := runner.One(t.Context(), got)
		switch {
		case err != nil:
			refused++
		case d != nil:
			diverged++
			require.NotEqual(t, corpus.FaultPanic, d.Fault, "%s: %s", d, text)
			require.NotEmpty(t, d.String())
		}
	}
	t.Logf("%d files: %d are cases, %d of them diverged, %d had no meaning", n, parsed, diverged, refused)
	require.Positive(t, parsed)
	require.Positive(t, diverged)
}

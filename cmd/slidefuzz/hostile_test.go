package main

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// Mutated and random files through every command that reads one: a clean exit
// status, a clear line where it is not 0, and no panic. SLIDEFUZZ_HOSTILE sets
// how many files: a million takes 40 s.
func TestHostileFiles(t *testing.T) {
	n := 20_000
	if testing.Short() {
		n = 1_000
	}
	if text := os.Getenv("SLIDEFUZZ_HOSTILE"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	racy, err := os.ReadFile("../../corpus/regressions/roll-two-rows.txt")
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	r := rand.New(rand.NewPCG(5, 6))
	word := []string{
		"append", "target ", "shape", "program/drop-war/sim", "buffer x 3\n", "x[0:2] = clone(x[1:3])\n", "order 1 keys 0: 1\n",
		"0", "-1", "7", "65536", "1048577", "9223372036854775808", "native", "\x00", "\xff", "é", "\r\n", "\n\n", "go test fuzz v1\n", "[]byte(\"", "\\x",
	}
	status := map[string]map[int]int{}
	for i := range n {
		in := make([]byte, r.IntN(20))
		for j := range in {
			in[j] = byte(r.Uint32())
		}
		c := corpus.Decode(in)
		if r.IntN(2) == 0 {
			c = corpus.DecodeProgram(in)
		}
		text := string(c.Text())
		which := pick(r)
		switch {
		case which >= 4 && r.IntN(2) == 0: // those want a case that diverges
			text = string(racy)
		case r.IntN(3) == 0:
			text = strings.ReplaceAll(text, "/fused/", "/drop-war/")
		}
		args := [...][]string{
			{"replay", "-"},
			{"corpus", "check", "-"},
			{"replay", "--memory", "1", "-"},
			{"corpus", "import", "-"},
			{"minimize", "-"},
			{"report", "-o", filepath.Join("reports", strconv.Itoa(i)), "-"},
		}[which]
		if args[1] == "import" {
			text = "go test fuzz v1\n[]byte(" + strconv.Quote(string(in)) + ")\n"
		}
		for range r.IntN(3) {
			at := r.IntN(len(text) + 1)
			to := min(len(text), at+r.IntN(6))
			text = text[:at] + word[r.IntN(len(word))] + text[to:]
		}
		if r.IntN(50) == 0 {
			text = string(in)
		}
		var out, stderr bytes.Buffer
		got := execute(context.Background(), args, strings.NewReader(text), &out, &stderr)
		require.Contains(t, []int{exitOK, exitUnexpected, exitUsage, exitMissing}, got, "%v on %q", args, text)
		if got >= exitUsage {
			require.True(t, strings.HasPrefix(stderr.String(), "slidefuzz: "), "%v on %q: %q", args, text, &stderr)
		}
		require.NotContains(t, out.String()+stderr.String(), "panic", "%v on %q", args, text)
		name := args[0] + " " + args[1]
		if status[name] == nil {
			status[name] = map[int]int{}
		}
		status[name][got]++
	}
	t.Logf("%d files, exit statuses of each command: %v", n, status)
	for name, s := range status {
		require.Positive(t, s[exitUsage], name) // each was refused some,
	}
	require.Positive(t, status["replay -"][exitOK]) // and ran some
	require.Positive(t, status["replay -"][exitUnexpected]+status["replay --memory"][exitUnexpected]+status["corpus check"][exitUnexpected])
	require.Positive(t, status["minimize -"][exitOK])
	require.Positive(t, status["report -o"][exitOK])
}

// pick chooses the command: those that shrink or write are the slow ones.
func pick(r *rand.Rand) int {
	switch n := r.IntN(200); {
	case n == 0:
		return 4
	case n == 1:
		return 5
	default:
		return n % 4
	}
}

// What is no case at all is refused at the line where that shows.
func TestNoCases(t *testing.T) {
	const head = "slidefuzz case v1\nshape batch=1 heads=1 window=2 dim=1 dtype=F32 layout=heads-first\ntarget program/fused/sim\nblock 1\nschedule descending\n"
	for name, x := range map[string]struct{ text, at string }{
		"noise": {"\x00\xff\xfe not a case \x80", "standard input:1:"},
		"long":  {"slidefuzz case v1\n" + strings.Repeat("append 1\n", 1<<19), "standard input:1:"},
		"deep":  {head + "buffer x 2\nx[0:1] = " + strings.Repeat("clone(", 1000), "standard input:7:"},
	} {
		for _, command := range [][]string{{"replay", "-"}, {"minimize", "-"}, {"corpus", "check", "-"}} {
			var stderr bytes.Buffer
			require.Equal(t, exitUsage, execute(t.Context(), command, strings.NewReader(x.text), io.Discard, &stderr), "%s: %v", name, command)
			require.Contains(t, stderr.String(), x.at, "%s: %v", name, command)
		}
	}
}

// No case gets past the memory limit, however it is written.
func TestMemoryLimit(t *testing.T) {
	for _, size := range []string{
		"batch=1048576 heads=1 window=1048576 dim=1048576", "batch=1 heads=1 window=1048576 dim=1048576", "batch=64 heads=64 window=1024 dim=64",
	} {
		text := "slidefuzz case v1\nshape " + size + " dtype=F32 layout=heads-first\ntarget roll/fused/sim\nblock 1\nschedule descending\nappend 1\n"
		var stderr bytes.Buffer
		require.Equal(t, exitUsage, execute(context.Background(), []string{"replay", "-"}, strings.NewReader(text), io.Discard, &stderr))
		require.Contains(t, stderr.String(), "over the limit of 256 MiB; --memory raises it")
	}
}

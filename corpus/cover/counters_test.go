package cover

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const program = `package main

import "os"

func pick(n int) int {
	if n > 1 {
		return 7
	}
	for range n {
		n++
	}
	return n
}

func never() { panic("never") }

func main() {
	if pick(len(os.Args)) == 0 {
		never()
	}
}
`

// What a real program writes, against go tool covdata.
func TestAgainstCovdata(t *testing.T) {
	dir := t.TempDir()
	do := func(name string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOCOVERDIR="+dir, "GOWORK=off")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	for name, text := range map[string]string{"go.mod": "module example.com/counted\n\ngo 1.26\n", "main.go": program} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	do("go", "build", "-cover", "-covermode=atomic", "-o", "counted.exe", ".")
	do(filepath.Join(dir, "counted.exe"))
	do("go", "tool", "covdata", "textfmt", "-i", ".", "-o", "profile")
	read := func(pattern string) []byte {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		require.Len(t, files, 1)
		data, err := os.ReadFile(files[0])
		require.NoError(t, err)
		return data
	}
	metaData, data := read("covmeta.*"), read("covcounters.*")
	meta, err := ReadMeta(metaData)
	require.NoError(t, err)
	covered, err := meta.Counters(data)
	require.NoError(t, err)

	var got, want []string
	for b := range int32(meta.Blocks()) {
		got = append(got, fmt.Sprint(meta.Place(b), " ", slices.Contains(covered, b)))
	}
	for _, line := range strings.Split(strings.TrimSpace(string(read("profile"))), "\n")[1:] {
		f := strings.Fields(line) // PLACE STATEMENTS COUNT
		want = append(want, fmt.Sprint(f[0], " ", f[2] != "0"))
	}
	require.ElementsMatch(t, want, got)
	require.Contains(t, strings.Join(got, "\n"), "true")
	require.Contains(t, strings.Join(got, "\n"), "false")
	require.Equal(t, "block 99", meta.Place(99))

	// Cut anywhere, neither is taken for whole; nor is another version's.
	for n := range metaData {
		_, err := ReadMeta(metaData[:n])
		require.Error(t, err, "%d bytes", n)
	}
	for n := range data {
		_, err := meta.Counters(data[:n])
		require.Error(t, err, "%d bytes", n)
	}
	for _, at := range []int{0, 4} { // magic, version
		bad := slices.Clone(metaData)
		bad[at]++
		_, err := ReadMeta(bad)
		require.ErrorIs(t, err, errFormat)
		bad = slices.Clone(data)
		bad[at]++
		_, err = meta.Counters(bad)
		require.ErrorIs(t, err, errFormat)
	}
	bad := slices.Clone(data)
	bad[8]++
	_, err = meta.Counters(bad)
	require.ErrorContains(t, err, "another program")
}

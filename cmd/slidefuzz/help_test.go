package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Help fits a terminal of 80 columns, and has each flag once.
func TestHelpFits(t *testing.T) {
	fits := func(name, text string) {
		require.NotEmpty(t, text)
		for line := range strings.Lines(text) {
			assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, "%s: %s", name, line)
		}
	}
	_, text, _ := call(t, "", "help")
	fits("help", text)
	for _, c := range commands() {
		assert.Regexp(t, `(?m)^  `+regexp.QuoteMeta(c.name)+`\b`, text)
		status, help, stderr := call(t, "", append(strings.Fields(c.name), "-h")...)
		assert.Zero(t, status)
		assert.Empty(t, stderr)
		fits(c.name, help)
		seen := map[string]bool{}
		for _, flag := range regexp.MustCompile(`(?m)^  (--?[a-z-]+)`).FindAllStringSubmatch(help, -1) {
			assert.False(t, seen[flag[1]], "%s: %s twice", c.name, flag[1])
			seen[flag[1]] = true
		}
	}
}

func TestWrap(t *testing.T) {
	assert.Equal(t, []string{"a bc", "def"}, wrap("a bc def", 4))
	assert.Equal(t, []string{"a", "longer", "b"}, wrap("a longer b", 4))
	assert.Equal(t, []string{"éé é", "é"}, wrap("éé é é", 4))
	assert.Equal(t, []string{""}, wrap("", 4))
}

func TestReflow(t *testing.T) {
	long := strings.Repeat("words ", 20)
	assert.Equal(t, strings.TrimSpace(long[:78])+"\n"+strings.TrimSpace(long[78:])+"\n\n  as it  is\nend", reflow("\n"+long[:48]+"\n"+long[48:]+"\n\n  as it  is\nend\n"))
}

func TestVersionOf(t *testing.T) {
	for want, info := range map[string]*debug.BuildInfo{
		"v0.2.0":                             {Main: debug.Module{Version: "v0.2.0"}},
		"v0.0.0-20261126010203-abcdefabcdef": {Main: debug.Module{Version: "v0.0.0-20261126010203-abcdefabcdef"}},
		"(devel)":                            {},
		"abc":                                {Main: debug.Module{Version: "v0.2.0"}, Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "false"}}},
		"abc+dirty":                          {Settings: []debug.BuildSetting{{Key: "vcs.modified", Value: "true"}, {Key: "vcs.revision", Value: "abc"}}},
	} {
		assert.Equal(t, want, versionOf(info))
	}
}

// A build of a checkout says its commit.
func TestVersionOfABuild(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	// Of a worktree, where .git is a file, Go 1.26 stamps nothing.
	if info, err := os.Stat(filepath.Join("..", "..", ".git")); err != nil || !info.IsDir() {
		t.Skip("no git checkout with a folder .git")
	}
	commit, err := exec.CommandContext(t.Context(), "git", "rev-parse", "HEAD").Output()
	require.NoError(t, err)
	bin := filepath.Join(t.TempDir(), "slidefuzz")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=true", "-o", bin, ".")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.CommandContext(t.Context(), bin, "version").Output()
	require.NoError(t, err)
	assert.Regexp(t, `^slidefuzz `+strings.TrimSpace(string(commit))+`(\+dirty)?\n`, string(out))
}

// lines is a writer for two goroutines.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// The live line is drawn in its place, cut to the terminal, and gone at the end.
func TestLiveLine(t *testing.T) {
	var w lines
	l := (&liveLine{w: &w}).start(func() int { return 8 }, time.Millisecond)
	l.show(func() string { return "twenty letters in all" })
	require.Eventually(t, func() bool { return strings.Contains(w.String(), "\r\x1b[Ktwenty \r") }, 10*time.Second, time.Millisecond)
	l.stop()
	got := w.String()
	assert.True(t, strings.HasSuffix(got, "\r\x1b[K"), "it stays: %q", got)
	assert.NotContains(t, got, "\n")
	assert.NotContains(t, got, "twenty l")
	l.show(func() string { return "after the end" })
	time.Sleep(5 * time.Millisecond)
	assert.Equal(t, got, w.String())
}

// What is no terminal has no line.
func TestNoLiveLine(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer f.Close()
	for _, l := range []*liveLine{newLiveLine(f), newLiveLine(new(bytes.Buffer))} {
		assert.Nil(t, l.done, "it is drawn")
		l.show(func() string { return "x" })
		l.stop()
	}
	info, err := f.Stat()
	require.NoError(t, err)
	assert.Zero(t, info.Size())
}

func TestProgressLine(t *testing.T) {
	p := progress{jobs: 4}
	p.begin(0, "a", 100)
	assert.Equal(t, "0 cases, 0 findings, [1/4] a", p.line(0))
	p.ran(50)
	assert.Equal(t, "50 cases/s, 50 cases, 0 findings, 7s left, [1/4] a", p.line(time.Second))
	p.end(100, 1)
	p.begin(1, "b", 100)
	assert.Equal(t, "50 cases/s, 100 cases, 1 finding, 6s left, [2/4] b", p.line(2*time.Second))
	p.time = 10 * time.Minute
	assert.Contains(t, p.line(time.Minute), "9m0s left")
	assert.Contains(t, p.line(time.Hour), "0s left", "what is shrunk comes on top")
	p.jobs, p.job = 1, 0
	assert.NotContains(t, p.line(time.Minute), "finding")
}

package props

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/report"
	"github.com/slidefuzz/slidefuzz/corpus/shrink"
	"github.com/slidefuzz/slidefuzz/props/hunt"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// Replay runs the case in text on the built-in target that it names, and fails the test
// if it diverges. It is what the test in a report folder calls.
func Replay(tb testing.TB, text string) {
	tb.Helper()
	c, err := corpus.Parse("case", []byte(text), 0)
	if err != nil {
		tb.Fatal(err)
	}
	d, err := run.Local().One(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	if d != nil {
		tb.Fatalf("%s: %s", c.Target, d)
	}
}

// shrinkTime bounds what a failing test spends on shrinking. The toolchain's
// own minimiser gives up after 60 seconds; half of that leaves room for the
// report.
const shrinkTime = 30 * time.Second

// Fail shrinks a diverging case of a built-in target, keeps it among the test's
// artifacts, and fails the test with the case and the commands that replay and report
// it.
func Fail(tb testing.TB, r *hunt.Runner, c *corpus.Case, d *corpus.Divergence) {
	tb.Helper()
	ctx, stop := context.WithTimeout(tb.Context(), shrinkTime)
	defer stop()
	small, smallD, stats, err := r.Minimize(ctx, c, d)
	if err != nil {
		tb.Errorf("shrinking: %v", err)
		small, smallD = c, d
	}
	path := filepath.Join(tb.ArtifactDir(), "case.txt")
	if err := small.WriteFile(path); err != nil {
		tb.Errorf("keeping the case: %v", err)
	}
	tb.Fatalf(`%s: %s
found as: %s
shrunk in %s to:

%s
save it as case.txt (run with -artifacts to keep %s), then:
	slidefuzz replay case.txt
	slidefuzz report case.txt`, c.Target, smallD, d, corpus.Plural(stats.Runs, "run"), small.Text(), path)
}

// failed is what a test of a cache says of the smallest case of a failure, which it
// keeps with its report among the artifacts. found says how it was found.
func (s *suite) failed(t *testing.T, c *corpus.Case, d *corpus.Divergence, stats shrink.Stats, found string) string {
	t.Helper()
	dir := t.ArtifactDir()
	rep := report.Report{Case: c, Divergence: d, Versions: versions(), GoCall: s.call(c)}
	if err := rep.WriteDir(dir); err != nil {
		t.Errorf("keeping the report: %v", err)
	}
	text := fmt.Sprintf("%s%s%s\nthe smallest sequence, of one found %s:\n%s", d, runsText(d, stats), stackText(d), found, s.text(c, d))
	if keepsArtifacts() {
		text += fmt.Sprintf("\nits report: %s", dir)
	}
	return text
}

// keep is the command that makes a case the first that the test runs.
func (s *suite) keep(t *testing.T, c *corpus.Case, d *corpus.Divergence) string {
	t.Helper()
	dir := filepath.ToSlash(s.keptDir())
	how := fmt.Sprintf("echo '%s' > %s/%s", short(c), dir, keptName(c, d))
	if keepsArtifacts() {
		how = fmt.Sprintf("cp '%s' %s/%s", filepath.Join(t.ArtifactDir(), "case.txt"), dir, keptName(c, d))
	}
	return fmt.Sprintf("keep it, so that %s begins with it (in the package's folder):\n\tmkdir -p %s && %s", s.test, dir, how)
}

// keepsArtifacts reports whether the folders of t.ArtifactDir stay after the test.
func keepsArtifacts() bool {
	f := flag.Lookup("test.artifacts")
	return f != nil && f.Value.String() == "true"
}

// text is a case of the cache: its steps in words, and the call that replays it.
func (s *suite) text(c *corpus.Case, d *corpus.Divergence) string {
	text := "\t" + shapeText(c.Shape) + "\n"
	serial := 0
	for i := range c.Ops {
		o := &c.Ops[i]
		text += "\t" + o.String()
		if n := o.Tokens(); n > 0 {
			text += fmt.Sprintf("  # %s", tokensText(serial, n))
			serial += n
		}
		if d != nil && d.Op == i+1 && d.OpKind != corpus.WholeCase {
			text += "  <- fails"
		}
		text += "\n"
	}
	return text + "as a test:\n\t" + s.call(c)
}

func tokensText(from, n int) string {
	if n == 1 {
		return fmt.Sprintf("token %d", from)
	}
	return fmt.Sprintf("tokens %d to %d", from, from+n-1)
}

// call is the call of ReplayCache that replays a case.
func (s *suite) call(c *corpus.Case) string {
	text := fmt.Sprintf("props.ReplayCache(t, %s, %q", s.name, short(c))
	for _, o := range s.options {
		text += ", " + o.text
	}
	return text + ")"
}

// short is a case in one line, with how often it failed where that was not each time.
func short(c *corpus.Case) string {
	if c.Expect != nil && c.Expect.Rate.Of > 0 {
		return fmt.Sprintf("%s; expect %s", c.Short(), c.Expect)
	}
	return c.Short()
}

// keptName is a name for a case: near enough to its failure to be told from others,
// and the same each time.
func keptName(c *corpus.Case, d *corpus.Divergence) string {
	h := fnv.New32a()
	h.Write([]byte(c.Short()))
	return fmt.Sprintf("%s-%08x.txt", d.Fault, h.Sum32())
}

// again is the command that runs a subtest with the same seed.
func again(t *testing.T, seed int64, cases int) string {
	t.Helper()
	parts := strings.Split(t.Name(), "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return fmt.Sprintf("go test -run '%s' -slidefuzz.seed=%d -slidefuzz.cases=%d", strings.Join(parts, "/"), seed, cases)
}

// runsText says how often the smallest case failed, where d does not say so
// itself, and why it may not be the smallest.
func runsText(d *corpus.Divergence, stats shrink.Stats) string {
	text := ""
	switch {
	case d.Runs == nil:
		text = "; how often it fails was not counted"
	case d.Fault != corpus.FaultRows:
		text = "; " + d.Runs.String()
	}
	if stats.Bounded && (d.Runs == nil || d.Runs.Wrong > 0) {
		text += fmt.Sprintf("; shrinking ended after %s or at its bound, so that a smaller case may fail too", shrinkTime)
	}
	return text
}

// stackText is the stack of a cache that panicked.
func stackText(d *corpus.Divergence) string {
	if d.Stack == "" {
		return ""
	}
	return "\n" + strings.TrimRight(d.Stack, "\n")
}

// versions is what made a report.
func versions() []string {
	text := "slidefuzz, of this module"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/slidefuzz/slidefuzz" {
				text = "slidefuzz " + m.Version
			}
		}
	}
	return []string{text, fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)}
}

// funcName is a function as Go source of its package calls it, or usual where it has
// no name there.
func funcName(f any, usual string) string {
	name := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	name = name[strings.LastIndexByte(name, '/')+1:]
	_, name, _ = strings.Cut(name, ".")
	if !identifier.MatchString(name) {
		return usual
	}
	return name
}

var identifier = regexp.MustCompile(`^[\pL_][\pL_\pN]*$`)

package props

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"github.com/slidefuzz/slidefuzz/fuzz/libfuzzer/testing"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// ReplayCache runs one case on a new cache of a user's own, and fails the test if it
// diverges from the oracle. newCache and the options are as for [TestCache], whose
// failures print the call. text is a case file, or shorter:
//
//	props.ReplayCache(t, newMyCache, "window=2 dim=8 dtype=U8; append 4; append 1", props.Chunks())
//
// The first part is the shape, where batch=1, heads=1 and layout=heads-first may be
// left out; the others are operations, as case files have them. A case that came and
// went when it was found says so by expect … rate=K/N: it is run N times, and none
// may diverge.
func ReplayCache(t *testing.T, newCache func(t *testing.T, s impls.Shape) (impls.Cache, error), text string, options ...Option) {
	t.Helper()
	c, err := corpus.ParseShort("case", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	newSuite(t, newCache, options).replay(t, c)
}

// replay fails the test if a case diverges.
func (s *suite) replay(t *testing.T, c *corpus.Case) {
	t.Helper()
	if c.Target != window.CacheTarget() {
		t.Fatalf("the case is of target %s: want target cache, or none; props.Replay replays those of built-in targets", c.Target)
	}
	b := s.backend(t)
	c.Block, c.Schedule, c.Orders = 1, inplace.Schedule{}, nil // a cache has none
	s.learn(t, c.Shape)
	if why := b.outside(c); why != "" {
		t.Fatalf("%s: %s", c.Short(), why)
	}
	times := 1
	if c.Expect != nil {
		times = max(1, c.Expect.Rate.Of)
	}
	for i := range times {
		d, err := b.runner().One(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if d != nil {
			where := ""
			if times > 1 {
				where = fmt.Sprintf(" (run %d of %d)", i+1, times)
			}
			t.Fatalf("%s%s%s\n%s", d, where, stackText(d), s.text(c, d))
		}
	}
}

// outside says what a case has that the options leave out or the cache cannot do.
func (b *backend) outside(c *corpus.Case) string {
	for i := range c.Ops {
		o := &c.Ops[i]
		if need := o.Kind.Operation().Capability(o); need != "" && !b.s.able(need) {
			return fmt.Sprintf("operation %d, %s, needs a cache that implements %s; this one does not: implement it, or delete the case", i+1, o, interfaceOf[need])
		}
	}
	if !b.Takes(c) {
		return "the options leave this case out: change them, or delete it"
	}
	return ""
}

// interfaceOf names the interface of package impls that a capability is.
var interfaceOf = map[corpus.Capability]string{
	corpus.CanCrop:     "impls.Cropper",
	corpus.CanCropEach: "impls.RaggedCropper",
	corpus.CanRagged:   "impls.RaggedUpdater",
	corpus.CanSelect:   "impls.Selector",
	corpus.CanSnapshot: "impls.Snapshotter",
}

// keptDir is the folder of the cases that the test runs first.
func (s *suite) keptDir() string {
	return filepath.Join("testdata", "slidefuzz", filepath.FromSlash(s.test))
}

// testKept runs the cases that were kept, each as a subtest.
func (s *suite) testKept(t *testing.T) {
	t.Helper()
	files, err := os.ReadDir(s.keptDir())
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Run("Kept", func(t *testing.T) {
		for _, f := range files {
			name, ok := strings.CutSuffix(f.Name(), ".txt")
			if !ok || f.IsDir() {
				continue
			}
			t.Run(name, func(t *testing.T) {
				path := filepath.Join(s.keptDir(), f.Name())
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				c, err := corpus.ParseShort(path, string(text), 0)
				if err != nil {
					t.Fatal(err)
				}
				s.replay(t, c)
			})
		}
	})
}

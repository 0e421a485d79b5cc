package keep

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/evolve"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// Folder is a corpus of any number of targets.
type Folder struct {
	dir      string
	limit    int64
	complain func(error)
}

// Open makes the folder where there is none. limit is the bytes that a case may take,
// 0 for corpus.DefaultLimit. A file that cannot be read as a case is left out, and
// complain is told why: it may be called from several goroutines at once.
func Open(dir string, limit int64, complain func(error)) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return &Folder{dir: dir, limit: limit, complain: complain}, nil
}

// Target is the corpus of one target. It is used by one hunt.
type Target struct {
	folder *Folder
	target window.Target
	dir    string
	known  map[string]bool // names of cases that agreed, read or written
	found  map[string]bool // names of cases that failed, written
}

// Of is the corpus of a target.
func (f *Folder) Of(t window.Target) (*Target, error) {
	dir := f.dir
	for part := range strings.SplitSeq(t.String(), "/") {
		dir = filepath.Join(dir, plain(part))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return &Target{folder: f, target: t, dir: dir, known: map[string]bool{}, found: map[string]bool{}}, nil
}

// plain makes a part of a target's name a folder's: a worker chooses its own name, and
// Windows takes no colon.
func plain(part string) string {
	if strings.HasPrefix(part, ".") {
		part = "_" + part
	}
	return strings.ReplaceAll(part, ":", "_")
}

// What files begin with.
const failurePrefix, casePrefix = "failure-", "case-"

// Kept implements hunt.Corpus: what is in the folder now, in the order of the names.
func (t *Target) Kept() (k evolve.Kept, err error) {
	entries, err := os.ReadDir(t.dir) // by name
	if err != nil {
		return k, err
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") {
			t.tidy(e)
			continue
		}
		if filepath.Ext(name) != ".txt" || !t.regular(e) {
			continue
		}
		c := t.read(name)
		switch {
		case c == nil:
		case strings.HasPrefix(name, failurePrefix):
			k.Failures = append(k.Failures, c)
		default:
			if strings.HasPrefix(name, casePrefix) { // another's file is not ours to drop
				t.known[name] = true
			}
			k.Cases = append(k.Cases, c)
		}
	}
	return k, nil
}

// regular reports whether an entry is a file or a link to one: a pipe would be waited for
// without end.
func (t *Target) regular(e os.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.Type().IsRegular()
	}
	info, err := os.Stat(filepath.Join(t.dir, e.Name()))
	return err == nil && info.Mode().IsRegular()
}

// read reads a case, nil where it cannot be read or is another target's: what that one
// was kept for need not be so here. One that is gone was dropped by another hunt meanwhile.
func (t *Target) read(name string) *corpus.Case {
	path := filepath.Join(t.dir, name)
	c, err := corpus.ReadFile(path, t.folder.limit)
	if err == nil && !c.Target.Is(t.target) {
		err = fmt.Errorf("%s: a case of %s in the folder of %s: change its line target, or move it", path, c.Target, t.target)
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			t.folder.complain(err)
		}
		return nil
	}
	return c
}

// leftFor is how old a half-written file is that nobody is still writing.
const leftFor = time.Hour

// tidy removes what a hunt left half-written that was killed, and no other hidden file.
func (t *Target) tidy(e os.DirEntry) {
	if name := e.Name()[1:]; !strings.HasPrefix(name, failurePrefix) && !strings.HasPrefix(name, casePrefix) {
		return
	}
	if info, err := e.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > leftFor {
		_ = os.Remove(filepath.Join(t.dir, e.Name())) // another hunt may have done so
	}
}

// digest is a short name for a text: of some thousand files in a folder no two are alike
// by chance.
func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// mostKinds bounds the kinds of one failure that stay beside what a hunt finds itself. It is as
// many as the findings of a hunt in what is not ours, which has one of each kind at most.
const mostKinds = 32

// Failed implements hunt.Corpus. Of one kind of a failure two cases stay at most: the best, which
// is one that fails each time, else the one that fails most often, of those the smallest; and
// the one of this call, for the best may be older than what mended a part of the fault. Of the
// kinds those stay whose best cases are the best, mostKinds of them, and what this hunt found.
func (t *Target) Failed(c *corpus.Case, failure corpus.Failure, kind func(*corpus.Case) string) error {
	prefix := failurePrefix + digest(fmt.Appendf(nil, "%s, like %s", failure, failure.Like)) + "-"
	own := prefix + digest(c.Text()) + ".txt"
	if err := c.WriteFile(filepath.Join(t.dir, own)); err != nil {
		return err
	}
	t.found[own] = true
	entries, err := os.ReadDir(t.dir)
	if err != nil {
		return err
	}
	type file struct {
		name string
		c    *corpus.Case
	}
	var all []file
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			if c := t.read(e.Name()); c != nil {
				all = append(all, file{e.Name(), c})
			}
		}
	}
	// Whoever looks finds the same one the best, so that two hunts never drop each
	// other's.
	slices.SortFunc(all, func(a, b file) int { return cmp.Or(compare(a.c, b.c), cmp.Compare(a.name, b.name)) })
	ownKind, kinds := kind(c), map[string]bool{}
	for _, f := range all {
		k := kind(f.c)
		best := !kinds[k] && len(kinds) < mostKinds
		if best {
			kinds[k] = true
		}
		switch {
		case best, f.name == own,
			kinds[k] && k != ownKind,     // the last one of another kind
			!kinds[k] && t.found[f.name]: // this hunt prints it
			continue
		}
		if err := t.remove(f.name); err != nil {
			return err
		}
	}
	return nil
}

// compare puts first what fails more often, of those the smaller.
func compare(a, b *corpus.Case) int {
	rate := func(c *corpus.Case) float64 {
		if c.Expect == nil || c.Expect.Rate.Of == 0 {
			return 1
		}
		return float64(c.Expect.Rate.Wrong) / float64(c.Expect.Rate.Of)
	}
	return cmp.Or(cmp.Compare(rate(b), rate(a)), corpus.Compare(a, b))
}

// Agreed implements hunt.Corpus.
func (t *Target) Agreed(c *corpus.Case) error {
	name := caseName(c)
	if t.known[name] {
		return nil
	}
	t.known[name] = true
	return c.WriteFile(filepath.Join(t.dir, name))
}

func caseName(c *corpus.Case) string { return casePrefix + digest(c.Text()) + ".txt" }

// Only implements hunt.Corpus. What another hunt has written since stays: a later one
// reads it.
func (t *Target) Only(cases []*corpus.Case) error {
	wanted := map[string]bool{}
	for _, c := range cases {
		wanted[caseName(c)] = true
	}
	for name := range t.known {
		if !wanted[name] {
			if err := t.remove(name); err != nil {
				return err
			}
			delete(t.known, name)
		}
	}
	return nil
}

// remove removes a file that another hunt may have removed.
func (t *Target) remove(name string) error {
	if err := os.Remove(filepath.Join(t.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

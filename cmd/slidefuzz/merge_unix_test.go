//go:build unix

package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// huntTime matches the time of a hunt on its index page, and that of a shrink.
var huntTime = regexp.MustCompile(`; [0-9.]+s\.</p>|to its end in [0-9.]+s`)

// told is all that a hunt or a merge writes in a folder of its own, without its times.
func told(t *testing.T, status int, args ...string) map[string]string {
	t.Helper()
	t.Chdir(t.TempDir())
	got, out, _ := call(t, "", append(args, "--json", "--junit", "junit.xml", "-o", "out")...)
	require.Equal(t, status, got, out)
	all := map[string]string{"json": timeless(out)}
	data, err := os.ReadFile("junit.xml")
	require.NoError(t, err)
	all["junit"] = timeless(string(data))
	require.NoError(t, filepath.WalkDir("out", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all[path] = huntTime.ReplaceAllString(string(data), "TIME")
		return err
	}))
	return all
}

// shards runs a hunt in shards and returns their folders.
func shards(t *testing.T, of int, args ...string) (dirs []string) {
	t.Helper()
	for i := range of {
		dir := t.TempDir()
		dirs = append(dirs, dir)
		status, out, _ := call(t, "", append(args, "--shard", strconv.Itoa(i+1)+"/"+strconv.Itoa(of), "-o", dir)...)
		require.LessOrEqual(t, status, 1, out)
	}
	return dirs
}

// smallEngine are flags of a short hunt in an engine; the fault one-rollback is caught at its
// sixth case.
var smallEngine = []string{"--window", "3", "--kind", "visible", "--seed", "7", "--cases", "40"}

// Shards that are merged tell what the whole hunt tells, byte for byte but for the
// times: of targets on sim and caches in Go, sound, caught and not caught, of a worker's
// cache and programs, and of engines, in this program and in a worker. Of programs with
// several faults they do so with the worker, which is asked for what no shard has run.
func TestMergeIsTheWholeHunt(t *testing.T) {
	slidefuzz := slidefuzzBinary(t)
	for name, x := range map[string]struct {
		status int
		args   []string
	}{
		"sim":             {0, []string{"roll/*/sim", "program/drop-clone/sim", "crop-zero/fused/sim", "--seed", "7", "--cases", "300"}},
		"uncaught":        {1, []string{"crop-zero/fused/sim", "--seed", "1", "--cases", "1"}},
		"go":              {0, []string{"go/pages*", "--seed", "7", "--cases", "1000"}},
		"cache":           {1, []string{"--exec", slidefuzz + " worker go/pages-writes-shared", "--seed", "7", "--cases", "300"}},
		"programs":        {1, []string{"--exec", slidefuzz + " worker program/drop-clone/sim", "--seed", "7", "--cases", "300"}},
		"engine":          {0, append([]string{"--engine", "reference", "--fault", "one-rollback"}, smallEngine...)},
		"sound engine":    {0, append([]string{"--engine", "reference"}, smallEngine...)},
		"engine's worker": {0, append([]string{"--exec", slidefuzz + " worker engine/reference:one-rollback"}, smallEngine...)},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && (name == "go" || name == "engine") {
				t.Skip("the others go the same ways")
			}
			args := append([]string{"hunt"}, x.args...)
			whole := told(t, x.status, args...)
			merged := told(t, x.status, append([]string{"merge"}, shards(t, 4, args...)...)...)
			assert.Equal(t, whole, merged)
			assert.Contains(t, whole, filepath.Join("out", "index.html"))
		})
	}
	for _, fault := range []string{"late-return", "read-early"} {
		for _, seed := range []string{"1", "2", "3"} {
			t.Run(fault+" "+seed, func(t *testing.T) {
				if testing.Short() && seed != "2" {
					t.Skip("the others go the same ways")
				}
				worker := []string{"--exec", slidefuzz + " worker program/" + fault + "/sim"}
				args := append([]string{"hunt", "--seed", seed, "--cases", "300"}, worker...)
				whole := told(t, 1, args...)
				require.Greater(t, strings.Count(whole["json"], `"event":"finding"`), 1)
				merged := told(t, 1, append(append([]string{"merge"}, worker...), shards(t, 4, args...)...)...)
				assert.Equal(t, whole, merged)
			})
		}
	}
}

// A merge asks the worker of the shards alone, where all of them are there, and says what
// it may not know where it asks none.
func TestMergeAsksTheWorker(t *testing.T) {
	slidefuzz := slidefuzzBinary(t)
	worker := func(target string) string { return slidefuzz + " worker " + target }
	programs, others := worker("program/drop-war/sim"), worker("program/drop-clone/sim")
	dirs := shards(t, 2, "hunt", "--exec", programs, "--seed", "1", "--cases", "128")
	for name, x := range map[string]struct {
		status int
		args   []string
		says   string // the only line on standard error, or a part of it; "" for none
	}{
		"the worker":     {1, append([]string{"--exec", programs}, dirs...), ""},
		"none":           {1, dirs, "merge: program/worker: nothing was run, so that one fault may be told twice"},
		"another":        {2, append([]string{"--exec", others}, dirs...), `--exec: want the worker of the shards, whose record says "worker program-drop-war, `},
		"a cache":        {2, append([]string{"--exec", worker("go/ring")}, dirs...), "; this is worker ring, "},
		"an engine":      {2, append([]string{"--exec", worker("engine/reference")}, dirs...), "--exec: want the worker of the shards, "},
		"no such worker": {3, append([]string{"--exec", filepath.Join(t.TempDir(), "none")}, dirs...), "is not there"},
	} {
		t.Run(name, func(t *testing.T) {
			status, out, stderr := call(t, "", append([]string{"merge"}, x.args...)...)
			assert.Equal(t, x.status, status, stderr)
			assert.Contains(t, stderr, x.says)
			assert.Equal(t, x.says != "", stderr != "", stderr)
			assert.Equal(t, x.status == 1, strings.Contains(out, "128 cases"), out)
		})
	}
	_, _, stderr := call(t, "", "merge", "--exec", programs, dirs[0])
	assert.Contains(t, stderr, "--exec: nothing is run, for these are not all the shards")
	sound := shards(t, 1, "hunt", "go/ring", "--seed", "7", "--cases", "30")
	status, _, stderr := call(t, "", "merge", "--exec", programs, sound[0])
	assert.Zero(t, status)
	assert.Equal(t, "slidefuzz: merge: --exec: nothing is run, for no shard is of a worker of programs\n", stderr)
	// That it does not start is in each output.
	for name, text := range told(t, 3, append([]string{"merge", "--exec", "/no/such/worker"}, dirs...)...) {
		assert.Contains(t, text, "/no/such/worker is not there", name)
	}
}

// Whatever became of a shard is told in a line, and what the others found is not lost.
func TestMergeOfWhatIsLeft(t *testing.T) {
	slidefuzz := slidefuzzBinary(t)
	dirs := shards(t, 3, "hunt", "--exec", slidefuzz+" worker go/pages-writes-shared", "--seed", "7", "--cases", "300")
	merge := func(status int, dirs ...string) (out, stderr string) {
		t.Helper()
		got, out, stderr := call(t, "", append([]string{"merge"}, dirs...)...)
		require.Equal(t, status, got, out+stderr)
		return out, stderr
	}
	change := func(dir string, change func([]byte) []byte) string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dir, recordName))
		require.NoError(t, err)
		to := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(to, recordName), change(data), 0o644))
		return to
	}
	out, stderr := merge(1, dirs...)
	require.Empty(t, stderr)
	require.Contains(t, out, "300 cases")
	require.Contains(t, out, "pages-writes-shared")

	t.Run("missing", func(t *testing.T) {
		out, stderr := merge(1, dirs[0], dirs[2])
		assert.Equal(t, "slidefuzz: merge: missing: 1 of 3 shards, 2/3: its cases were not run; give its folder, or run it\n", stderr)
		assert.Contains(t, out, "200 cases")
		assert.Contains(t, out, "DIVERGED")
		assert.Regexp(t, `: 1 unexpected: worker/pages-writes-shared \(a sound target diverged\); 1 of 3 shards missing\n$`, out)
		sound := shards(t, 3, "hunt", "go/ring", "--seed", "7", "--cases", "30")
		junit := filepath.Join(t.TempDir(), "junit.xml")
		out, stderr = merge(1, sound[1], "--junit", junit)
		assert.Equal(t, "slidefuzz: merge: missing: 2 of 3 shards, 1/3, 3/3: their cases were not run; give their folders, or run them\n", stderr)
		assert.Regexp(t, `(?m)^go/ring +10 cases +2 of 3 shards missing$`, out)
		assert.Regexp(t, `: 2 of 3 shards missing, nothing unexpected so far\n$`, out)
		text, err := os.ReadFile(junit)
		require.NoError(t, err)
		assert.Contains(t, string(text), `<skipped message="2 of 3 shards missing">`)
	})
	t.Run("died", func(t *testing.T) {
		// In the middle of a line, after its first finding.
		died := change(dirs[1], func(data []byte) []byte {
			at := bytes.Index(data, []byte(`"Finding"`))
			require.Positive(t, at)
			return data[:at+bytes.IndexByte(data[at:], '\n')+10]
		})
		out, stderr := merge(1, died)
		assert.Contains(t, stderr, "shard 2/3 died in")
		assert.Contains(t, out, "DIVERGED", "what it had found")
		out, stderr = merge(1, dirs[0], died, dirs[2])
		assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		assert.Contains(t, out, "DIVERGED")
		out, stderr = merge(1, dirs[0], died, dirs[1], dirs[2])
		assert.Contains(t, stderr, "shard 2/3 ran twice", "and the one that came to its end counts")
		assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		assert.Contains(t, out, "300 cases")
	})
	t.Run("twice", func(t *testing.T) {
		again := change(dirs[1], func(data []byte) []byte { return data })
		twice, stderr := merge(1, dirs[0], dirs[1], again, dirs[2])
		assert.Contains(t, stderr, "shard 2/3 ran twice: "+dirs[1])
		assert.Contains(t, stderr, "nothing is added")
		assert.Equal(t, told(t, 1, append([]string{"merge"}, dirs...)...), told(t, 1, "merge", dirs[0], dirs[1], again, dirs[2]))
		assert.Contains(t, twice, "300 cases")
	})
	t.Run("given twice", func(t *testing.T) {
		out, stderr := merge(2, dirs[0], dirs[1], dirs[2], dirs[1]+"/.")
		record := filepath.Join(dirs[1], recordName)
		assert.Equal(t, "slidefuzz: merge: "+record+" and "+record+" are one record: give each folder once, and none of a folder that is given itself\n", stderr)
		assert.Empty(t, out)
		_, stderr = merge(2, dirs[1], filepath.Dir(dirs[1]))
		assert.Contains(t, stderr, "are one record")
	})
	t.Run("two versions", func(t *testing.T) {
		other := change(dirs[1], func(data []byte) []byte {
			return bytes.Replace(data, []byte(`"versions":["slidefuzz `), []byte(`"versions":["slidefuzz v0-`), 1)
		})
		out, stderr := merge(1, dirs[0], other, dirs[2])
		assert.Contains(t, stderr, "their cases may differ")
		assert.Contains(t, out, "300 cases")
		assert.Contains(t, out, "DIVERGED")
	})
	t.Run("two hunts", func(t *testing.T) {
		other := shards(t, 1, "hunt", "--exec", slidefuzz+" worker go/pages-writes-shared", "--seed", "8", "--cases", "300")
		out, stderr := merge(1, append(other, dirs...)...)
		assert.Contains(t, stderr, "of another hunt")
		assert.Contains(t, out, "600 cases")
		assert.Contains(t, out, "1 finding", "one failure is one finding")
	})
	t.Run("not a hunt", func(t *testing.T) {
		empty, text := t.TempDir(), filepath.Join(t.TempDir(), "shard.jsonl")
		require.NoError(t, os.WriteFile(text, []byte("a note\n"), 0o644))
		out, stderr := merge(1, append([]string{empty, "none-such", filepath.Dir(text)}, dirs...)...)
		assert.Contains(t, stderr, empty+": no shard.jsonl: it is not the folder of a hunt --shard")
		assert.Contains(t, stderr, "none-such")
		assert.Contains(t, stderr, text+": it does not begin as")
		assert.Contains(t, out, "300 cases")
		_, stderr = merge(2, empty)
		assert.Contains(t, stderr, "none of the folders has the record of a shard")
	})
}

// What a scheduler sets says which shard a process is.
func TestShardOfTheEnvironment(t *testing.T) {
	for name, x := range map[string]struct {
		env   map[string]string
		count string
		want  string // or the error
	}{
		"GitHub":           {map[string]string{"SLIDEFUZZ_SHARD_INDEX": "1", "SLIDEFUZZ_SHARDS": "4"}, "", "2/4"},
		"Kubernetes":       {map[string]string{"JOB_COMPLETION_INDEX": "0", "SLIDEFUZZ_SHARDS": "8"}, "", "1/8"},
		"Kubernetes, flag": {map[string]string{"JOB_COMPLETION_INDEX": "7"}, "8", "8/8"},
		"Slurm":            {map[string]string{"SLURM_ARRAY_TASK_ID": "12", "SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_COUNT": "4"}, "", "3/4"},
		"no number":        {map[string]string{"JOB_COMPLETION_INDEX": "0"}, "", "of how many nobody says"},
		"nothing":          {nil, "4", "none of SLIDEFUZZ_SHARD_INDEX"},
		"gaps":             {map[string]string{"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "3"}, "", "no gaps"},
		"not a number":     {map[string]string{"JOB_COMPLETION_INDEX": "first"}, "4", `JOB_COMPLETION_INDEX is "first"`},
		"beyond":           {map[string]string{"JOB_COMPLETION_INDEX": "4"}, "4", "shard 4 of 4"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := shardOf(func(name string) string { return x.env[name] }, x.count)
			if err != nil {
				assert.ErrorContains(t, err, x.want)
				return
			}
			assert.Equal(t, x.want, s.String())
		})
	}
	var f shardFlag
	for _, bad := range []string{"", "0/4", "5/4", "1", "a/b", "1/0", "1/10001"} {
		assert.Error(t, f.Set(bad), bad)
	}
	require.NoError(t, f.Set("4/4"))
	assert.Equal(t, "4/4", f.name())
}

// A shard needs a seed that all share, and a place to write.
func TestShardWantsSeedAndFolder(t *testing.T) {
	status, _, stderr := call(t, "", "hunt", "--shard", "1/2", "-o", t.TempDir())
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "--shard wants --seed")
	status, _, stderr = call(t, "", "hunt", "--shard", "1/2", "--seed", "1")
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "--shard wants -o")
}

// Shards with a bound of time or of steps each end by themselves: what they found is told
// together, and not as one hunt's.
func TestMergeOfBoundedShards(t *testing.T) {
	parts := func(bound func(*recordHead)) bool {
		m := merging{say: func(format string, args ...any) { t.Errorf(format, args...) }}
		for i := range 2 {
			head := recordHead{Versions: []string{"v"}, Cases: 10, Index: i, Of: 2}
			bound(&head)
			m.records = append(m.records, &shardRecord{recordHead: head, end: &recordStop{}})
		}
		_, whole := m.parts()
		return whole
	}
	assert.True(t, parts(func(*recordHead) {}))
	assert.False(t, parts(func(h *recordHead) { h.Steps = 100 }))
	assert.False(t, parts(func(h *recordHead) { h.Time = time.Second }))
	assert.False(t, parts(func(h *recordHead) { h.Cases = 0 }))
}

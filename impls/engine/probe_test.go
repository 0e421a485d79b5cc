package engine_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls/engine"
)

// run is what the scripts of testdata answer.
type run struct {
	Tokens    [][]int `json:"tokens"`
	Pad       []int   `json:"pad"`
	Chunks    []int   `json:"chunks"`
	Cache     bool    `json:"cache"`
	Attention string  `json:"attention"`
}

// checkpoint is what is written, and the runs that a script shall do with it.
type checkpoint struct {
	Path       string `json:"path"`
	Runs       []run  `json:"runs"`
	Vocabulary int    `json:"vocabulary"`
	model      engine.Model
}

// answered gives checkpoints to a script and reads their logits: by checkpoint, run,
// entry and position.
func answered(t *testing.T, checkpoints []checkpoint, interpreter string, args ...string) (logits [][][][][]float32) {
	t.Helper()
	input, err := json.Marshal(checkpoints)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), interpreter, args...)
	var complaints bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &complaints
	cmd.Env = append(os.Environ(), "HF_HUB_OFFLINE=1")
	output, err := cmd.Output()
	require.NoError(t, err, "%s", &complaints)
	reader := bytes.NewReader(output)
	for _, c := range checkpoints {
		logits = append(logits, nil)
		of := &logits[len(logits)-1]
		for _, r := range c.Runs {
			var entries [][][]float32
			for _, tokens := range r.Tokens {
				rows := make([][]float32, len(tokens))
				for i := range rows {
					rows[i] = make([]float32, c.model.Vocabulary())
					require.NoError(t, binary.Read(reader, binary.LittleEndian, rows[i]), "%s", &complaints)
				}
				entries = append(entries, rows)
			}
			*of = append(*of, entries)
		}
	}
	require.Zero(t, reader.Len(), "more logits than were asked for")
	return logits
}

// consecutive gives n ids from first, after pad of padding.
func consecutive(m engine.Model, pad, first, n int) (ids []int) {
	for range pad {
		ids = append(ids, m.Padding())
	}
	for i := range n {
		ids = append(ids, (first+i)%m.Identities())
	}
	return ids
}

// judged counts heads that were compared.
type judged map[engine.Role]int

// compare reads every row of a run and compares it with the list of tokens that the
// query must see. It returns the largest error of a count.
func (j judged) compare(t *testing.T, m engine.Model, r run, logits [][][]float32) (worst float64) {
	t.Helper()
	for e, tokens := range r.Tokens {
		for p := r.Pad[e]; p < len(tokens); p++ {
			reading, err := m.Read(logits[e][p])
			require.NoError(t, err, "entry %d, position %d", e, p)
			for layer, heads := range reading.Heads {
				first := r.Pad[e]
				if m.Sliding(layer) {
					first = max(first, p-m.Window+1)
				}
				for h, head := range heads {
					want, n := wanted(m, head, tokens, first, p)
					if n == 0 {
						continue
					}
					j[head.Role]++
					got := append(slices.Clone(head.Shares), head.Padding, head.Other, head.Empty)
					for id, share := range got {
						off := math.Abs(share*n - want[id])
						worst = max(worst, off)
						require.Less(t, off, 0.3, "entry %d, position %d, layer %d, head %d (%s %d) sees %g of id %d, want %g",
							e, p, layer, h, head.Role, head.Offset, share*n, id, want[id])
					}
				}
			}
			next := (tokens[p] + 1) % m.Identities()
			require.Equal(t, next, largest(logits[e][p]), "entry %d, position %d", e, p)
		}
	}
	return worst
}

// wanted is what a head must see of tokens[first:p+1]: how often by id, and of how
// many rows; of none where the head is not to be judged.
func wanted(m engine.Model, head engine.Head, tokens []int, first, p int) (counts []float64, n float64) {
	counts = make([]float64, m.Identities()+3)
	seen := tokens[first : p+1]
	switch head.Role {
	case engine.Lookup:
		target := (tokens[p] - head.Offset + m.Identities()) % m.Identities()
		if !slices.Contains(seen, target) {
			return nil, 0
		}
		seen = []int{target}
	case engine.Position:
		if p-head.Offset < first {
			return nil, 0
		}
		seen = tokens[p-head.Offset : p-head.Offset+1]
	}
	for _, id := range seen {
		counts[id]++
	}
	return counts, float64(len(seen))
}

func largest(row []float32) (at int) {
	for i, x := range row {
		if x > row[at] {
			at = i
		}
	}
	return at
}

// needs skips the test, or fails it where SLIDEFUZZ_REQUIRE names what is missing.
func needs(t *testing.T, what, why string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("SLIDEFUZZ_REQUIRE"), ","), what) {
		t.Fatalf("SLIDEFUZZ_REQUIRE names %s: %s", what, why)
	}
	t.Skipf("NOT RUN: no %s: %s", what, why)
}

// python finds the interpreter of the environment that impls/worker/python/install.sh
// made of a requirements file, or skips the test.
func python(t *testing.T, name string) string {
	t.Helper()
	root := os.Getenv("SLIDEFUZZ_CACHE")
	if root == "" {
		home, err := os.UserHomeDir()
		require.NoError(t, err)
		root = filepath.Join(home, ".cache", "slidefuzz")
	}
	found, err := filepath.Glob(filepath.Join(root, name+"-????????????", "complete"))
	require.NoError(t, err)
	if len(found) == 0 {
		needs(t, name, fmt.Sprintf("run impls/worker/python/install.sh %s.txt", name))
	}
	return filepath.Join(filepath.Dir(found[0]), "bin", "python")
}

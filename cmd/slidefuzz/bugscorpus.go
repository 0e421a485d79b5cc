package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/slidefuzz/slidefuzz/corpus/keep"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/hunt"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// The earlier hunt of each seed, in the sound target that a bug is planted in: as long as a
// hunt is where nobody says, with another seed than any hunt for the bug.
const (
	gatherCases = 2000
	gatherSeeds = 1000
)

// gather hunts with --corpus in the sound targets of bugs, for each seed in a folder of its
// own below dir, which must be new or empty: hunts that never saw the bugs.
func gather(ctx context.Context, dir string, bugs []window.Bug, seeds int, complain func(error)) (err error) {
	if old, err := os.ReadDir(dir); err == nil && len(old) > 0 {
		return fmt.Errorf("--corpus %s: it is not empty; give a new folder, which hunts in sound targets fill first", dir)
	}
	type task struct {
		target window.Target
		seed   int
	}
	var tasks []task
	seen := map[window.Target]bool{}
	for _, b := range bugs {
		t := b.SoundTarget()
		if seen[t] {
			continue
		}
		seen[t] = true
		for seed := range seeds {
			tasks = append(tasks, task{t, seed + 1})
		}
	}
	whole := ctx // an error of one hunt ends the others, which is no interruption
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	turn := make(chan task)
	var mu sync.Mutex
	var hunts sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		hunts.Go(func() {
			b := run.Local()
			for x := range turn {
				if one := gatherOne(ctx, b, dir, x.target, x.seed, complain); one != nil {
					mu.Lock()
					err = errors.Join(err, one)
					mu.Unlock()
					stop()
				}
			}
		})
	}
	for _, x := range tasks {
		if ctx.Err() != nil {
			break
		}
		turn <- x
	}
	close(turn)
	hunts.Wait()
	return errors.Join(err, whole.Err())
}

// gatherOne is the hunt in one sound target for one seed.
func gatherOne(ctx context.Context, b *run.Backends, dir string, t window.Target, seed int, complain func(error)) error {
	kept, err := corpusFor(dir, seed, t, complain)
	if err != nil {
		return err
	}
	r, err := hunt.Hunt(ctx, b, t, hunt.Options{Seed: uint64(gatherSeeds + seed), Cases: gatherCases, Corpus: kept})
	if err == nil && len(r.Findings) > 0 {
		err = fmt.Errorf("it diverges: %s", r.Findings[0].Divergence)
	}
	if err != nil {
		return fmt.Errorf("gathering a corpus in %s: %w", t, err)
	}
	return nil
}

// corpusFor is the corpus of a target and a seed.
func corpusFor(dir string, seed int, t window.Target, complain func(error)) (*keep.Target, error) {
	f, err := keep.Open(filepath.Join(dir, fmt.Sprintf("seed-%d", seed)), 0, complain)
	if err != nil {
		return nil, err
	}
	return f.Of(t)
}

// withWords is how soon a bug was caught with a corpus, empty where that was not asked.
func withWords(k *kill) string {
	if k.With == nil {
		return ""
	}
	return "; with a corpus " + withCell(k)
}

// withCell is that as a cell of the table.
func withCell(k *kill) string {
	missed := 0
	for _, at := range k.With {
		if at == 0 {
			missed++
		}
	}
	if missed > 0 {
		return fmt.Sprintf("missed by %d of %d seeds", missed, len(k.With))
	}
	return fmt.Sprintf("%d, %d", k.MedianWith(), k.WorstWith())
}

// withSummary compares all bugs with a corpus and without, empty where that was not asked.
func (m *matrix) withSummary() string {
	if m.corpus == "" {
		return ""
	}
	var better, worse, cases, with, worst, worstWith, slowest int
	for i := range m.kills {
		k := &m.kills[i]
		switch a, b := k.Median(), k.MedianWith(); {
		case b < a:
			better++
		case b > a:
			worse++
		}
		for seed := range k.At {
			cases, with = cases+k.At[seed], with+k.With[seed]
		}
		worst, worstWith = max(worst, k.Worst()), max(worstWith, k.WorstWith())
		slowest = max(slowest, k.MedianWith())
	}
	return fmt.Sprintf("With a corpus the worst is %d instead of %d, the median of the slowest %d, all catches together take %d cases instead of %d; the median is lower for %d bugs and higher for %d",
		worstWith, worst, slowest, with, cases, better, worse)
}

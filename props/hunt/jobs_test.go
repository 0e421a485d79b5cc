package hunt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// jobs is a backend of somebody else's of which there are two. Both run batches of four
// cases, each of which diverges, in a tensor of the name of the job; before is called with the
// number of the job before each case.
type jobs struct {
	number int // from 1
	before func(ctx context.Context, number int) error
}

func (b *jobs) Run(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	return run.Each(ctx, cases, func(ctx context.Context, _ *corpus.Case) (*corpus.Divergence, error) {
		if err := b.before(ctx, b.number); err != nil {
			return nil, err
		}
		return &corpus.Divergence{Op: 1, OpKind: "start", Tensor: fmt.Sprint("job ", b.number), Fault: corpus.FaultCrash}, nil
	})
}

func (b *jobs) Traits(window.Target) run.Traits { return run.Traits{Batch: 4, Foreign: true} }

func (b *jobs) Spawn() (run.Backend, func()) { return &jobs{b.number + 1, b.before}, func() {} }

// huntInJobs hunts in 40 cases with two jobs.
func huntInJobs(ctx context.Context, before func(ctx context.Context, number int) error) (Result, error) {
	all := run.Local()
	all.ByDevice[window.Worker] = &jobs{1, before}
	return Hunt(ctx, all, window.WorkerTarget("w"), Options{Seed: 1, Cases: 40, Jobs: 2})
}

var errNoDevice = errors.New("no such device")

// The others run what a job leaves whose process does not start, and what it had of a batch
// stays.
func TestJobsLeftToOthers(t *testing.T) {
	for _, x := range []struct {
		lost, ran int // the job that is lost after so many cases
	}{{2, 0}, {2, 2}, {2, 7}, {1, 0}, {1, 6}} {
		lost, ran := make(chan struct{}), 0
		r, err := huntInJobs(t.Context(), func(ctx context.Context, number int) error {
			if number != x.lost {
				select {
				case <-lost:
				case <-ctx.Done():
				}
				return nil
			}
			if ran++; ran == x.ran+1 {
				close(lost)
			}
			if ran > x.ran {
				return &run.NotStartedError{Err: errNoDevice}
			}
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, 40, r.Cases)
		seen := map[string]int{}
		for _, f := range r.Findings {
			seen[f.Divergence.Tensor] = f.Seen
		}
		require.Equal(t, 40, seen["job 1"]+seen["job 2"])
		switch { // of the first job, if it is not lost, the shrinker's runs count too
		case x.lost == 2:
			require.Equal(t, x.ran, seen["job 2"], "each case has run once")
		case x.ran == 0:
			require.Len(t, r.Findings, 1)
			require.Equal(t, &corpus.Runs{Wrong: 20, Of: 20}, r.Findings[0].Divergence.Runs, "the other job shrinks")
			require.False(t, r.Findings[0].Stats.Bounded)
		}
		require.Equal(t, []LostJob{{Job: x.lost, Of: 2, Ran: x.ran > 0, Why: errNoDevice.Error()}}, r.LostJobs)
	}
}

// A job whose start a signal cut short is not lost.
func TestJobsCutShortAreNotLost(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := huntInJobs(ctx, func(ctx context.Context, number int) error {
		if number == 2 {
			cancel() // between two of its tries
			return &run.NotStartedError{Err: errNoDevice}
		}
		<-ctx.Done()
		return ctx.Err()
	})
	require.NoError(t, err)
	require.True(t, r.Interrupted)
	require.Empty(t, r.LostJobs)
}

// What has run is told, though a batch before it in the order of the cases could not be.
func TestFoundBehindAnError(t *testing.T) {
	for name, x := range map[string]struct {
		err   error
		final string
		lost  int
	}{
		"no job is left":        {&run.NotStartedError{Err: errNoDevice}, `^cases \d+ to \d+ of seed 1: job 1 of 2, the last one left: no such device$`, 1},
		"a case has no meaning": {errNoDevice, `^cases \d+ to \d+ of seed 1: no such device$`, 0},
	} {
		held, behind, ran := make(chan struct{}), make(chan struct{}), 0
		hold := sync.OnceFunc(func() { close(held) })
		r, err := huntInJobs(t.Context(), func(ctx context.Context, number int) error {
			if number == 1 {
				hold()
				<-behind
				return x.err
			}
			<-held // its batch comes before three of these
			if ran++; ran <= 12 {
				return nil
			}
			if ran == 13 {
				close(behind)
			}
			if x.lost > 0 {
				return x.err
			}
			<-ctx.Done()
			return ctx.Err()
		})
		require.ErrorIs(t, err, errNoDevice)
		require.Regexp(t, x.final, err.Error())
		require.Equal(t, 12, r.Cases, name)
		require.Len(t, r.Findings, 1)
		require.Equal(t, 12, r.Findings[0].Seen)
		require.Len(t, r.LostJobs, x.lost)
	}
}

// A hunt of whose workers one starts finds what a hunt with one finds.
func TestJobsThatDoNotStart(t *testing.T) {
	t.Parallel()
	o := Options{Seed: 1, Cases: 320}
	one, err := huntIn(t.Context(), testWorker(t, "index writes"), programTarget(), nil, o)
	require.NoError(t, err)
	require.NotEmpty(t, one.Findings)
	o.Jobs = 3
	r, err := huntIn(t.Context(), testWorker(t, startsAs+"10 in "+t.TempDir()+"/process: index writes"), programTarget(), nil, o)
	require.NoError(t, err)
	require.Equal(t, 320, r.Cases)
	require.Equal(t, one.Variants[""].Wrong, r.Variants[""].Wrong)
	require.Len(t, r.Findings, len(one.Findings))
	for i, f := range r.Findings {
		require.Equal(t, one.Findings[i].Small.Text(), f.Small.Text())
		require.Equal(t, one.Findings[i].Seen, f.Seen)
	}
	require.Len(t, r.LostJobs, 2)
	for i, l := range r.LostJobs {
		require.Regexp(t, []string{`^job 2 of 3 could not start: tried 3 times, at last `, `^job 3 of 3 could not start: tried 3 times, at last `}[i], l.String())
		require.Contains(t, l.Why, "its process ended (exit status 1): no such device")
	}
}

// A worker that does not start again at once is tried again.
func TestStartsAgainLater(t *testing.T) {
	t.Parallel()
	client := testWorker(t, startsAs+"1001 in "+t.TempDir()+"/process: dies of six programs together")
	r, err := huntIn(t.Context(), client, programTarget(), nil, Options{Seed: 1, Cases: 16})
	require.NoError(t, err)
	require.Equal(t, 16, r.Cases)
	require.Len(t, r.Findings, 1)
	require.Equal(t, 2, r.Findings[0].Seen)
}

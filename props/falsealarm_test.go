package props

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// -slidefuzz.time ends TestNoFalseAlarm though cases are left.
var (
	smallFlag = flag.Int("slidefuzz.small", 3000, "small cases of TestNoFalseAlarm, all sound targets together")
	largeFlag = flag.Int("slidefuzz.large", 3000, "large cases of TestNoFalseAlarm, all sound targets together")
)

const (
	// The most cases of one target that are drawn from one seed, some tens of
	// milliseconds each way: a worker then takes others.
	smallUnit, largeUnit = 1000, 50
	// gcPercent lets the heap grow to five times what lives.
	gcPercent = 400
	// maxAlarms is after how many divergences a survey ends.
	maxAlarms = 10
)

// sizes are small and large cases, by index.
var sizes = [2]corpus.Sizes{corpus.SmallOnly, corpus.LargeOnly}

// survey runs cases of many subjects on all cores, and counts them. Which cases there
// are depends on their number alone, not on the cores.
type survey struct {
	subjects []subject
	cases    [2]int // small and large
	deadline time.Time
	next     atomic.Int64 // the next unit

	mu     sync.Mutex
	done   map[string]*[2]int // by subject
	alarms []string
	err    error
}

// unit is some cases of one subject, drawn from one seed.
type unit struct {
	subject subject
	size    int // index of sizes
	cases   int
	seed    uint64
}

// unit is the one of number n; ok is false after the last. Small and large ones take
// turns in the ratio of their numbers, and so do the subjects: where the time is up
// early, each has had its share.
func (s *survey) unit(n int64) (u unit, ok bool) {
	var total, length [2]int64
	for i, most := range [...]int{smallUnit, largeUnit} {
		// Each subject has some units, however few the cases.
		length[i] = int64(max(1, min(most, s.cases[i]/(2*len(s.subjects)))))
		total[i] = (int64(s.cases[i]) + length[i] - 1) / length[i]
	}
	all := total[0] + total[1]
	if n >= all {
		return u, false
	}
	large := n * total[1] / all // how many of those before are large
	k := n - large
	if (n+1)*total[1]/all > large {
		u.size, k = 1, large
	}
	u.cases = int(min(length[u.size], int64(s.cases[u.size])-k*length[u.size]))
	u.subject, u.seed = s.subjects[k%int64(len(s.subjects))], uint64(k)/uint64(len(s.subjects))
	return u, true
}

// over reports whether no more cases are to be run.
func (s *survey) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil || len(s.alarms) >= maxAlarms || !s.deadline.IsZero() && time.Now().After(s.deadline)
}

// work runs units until there are none left. What it remembers is its own.
func (s *survey) work(t *testing.T) {
	local, backends := run.Local(), map[string]run.Backend{}
	for !s.over() {
		u, ok := s.unit(s.next.Add(1) - 1)
		if !ok {
			return
		}
		b, ok := backends[u.subject.name]
		if !ok {
			b = u.subject.backend(t, local)
			backends[u.subject.name] = b
		}
		n, alarm, err := u.run(t.Context(), b, s.deadline)
		s.mu.Lock()
		s.done[u.subject.name][u.size] += n
		if alarm != "" {
			s.alarms = append(s.alarms, alarm)
		}
		if err != nil && s.err == nil {
			s.err = fmt.Errorf("%s, seed %d: %w", u.subject.name, u.seed, err)
		}
		s.mu.Unlock()
	}
}

// run runs the cases until one diverges, and says how many were run.
func (u unit) run(ctx context.Context, b run.Backend, deadline time.Time) (n int, alarm string, err error) {
	draw := (&corpus.Drawer{Sizes: sizes[u.size]}).Cases(u.subject.target, u.seed)
	one := make([]*corpus.Case, 1)
	for ; n < u.cases; n++ {
		// The clock is asked seldom where cases are quick.
		if (u.size > 0 || n%64 == 0) && !deadline.IsZero() && time.Now().After(deadline) {
			return n, "", nil
		}
		one[0] = draw()
		if f, ok := b.(run.Fitter); ok {
			f.Fit(one[0])
		}
		d, err := b.Run(ctx, one)
		if err != nil {
			return n, "", err
		}
		if d[0] != nil {
			return n + 1, fmt.Sprintf("%s, case %d of seed %d: %s\n%s", u.subject.name, n+1, u.seed, d[0], one[0].Text()), nil
		}
	}
	return n, "", nil
}

// run runs all, with a worker for each core.
func (s *survey) run(t *testing.T) {
	t.Helper()
	s.done = map[string]*[2]int{}
	for _, x := range s.subjects {
		s.done[x.name] = new([2]int)
	}
	// What workers remember lives long, and what a case takes does not: most of the
	// work of a collector that runs often is in vain.
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	start := time.Now()
	stop := make(chan struct{})
	defer close(stop)
	if testing.Verbose() {
		go s.progress(start, stop)
	}
	t.Run("workers", func(t *testing.T) {
		for i := range runtime.GOMAXPROCS(0) {
			// A test of its own: what they share, they would wait for.
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				s.work(t)
			})
		}
	})
	require.NoError(t, s.err)
	t.Log(s.summary(time.Since(start)))
}

// total is the cases that were run.
func (s *survey) total() (n [2]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.done {
		n[0] += d[0]
		n[1] += d[1]
	}
	return n
}

// progress writes a line a minute.
func (s *survey) progress(start time.Time, stop chan struct{}) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			n := s.total()
			fmt.Fprintf(os.Stderr, "%s: %d small and %d large cases\n", time.Since(start).Round(time.Second), n[0], n[1])
		}
	}
}

// summary says what was run: in all, and of each subject.
func (s *survey) summary(took time.Duration) string {
	var b strings.Builder
	n := s.total()
	fmt.Fprintf(&b, "%d of %d small and %d of %d large cases in %.1f s by %d workers, %d alarms\n",
		n[0], s.cases[0], n[1], s.cases[1], took.Seconds(), runtime.GOMAXPROCS(0), len(s.alarms))
	for _, x := range s.subjects {
		d := s.done[x.name]
		fmt.Fprintf(&b, "| %s | %d | %d |\n", x.name, d[0], d[1])
	}
	return b.String()
}

// Sound targets of this process and the sound caches agree with the oracle in every
// case. With -v it says how many there were of each; -slidefuzz.small, .large and
// .time say how many there are to be.
func TestNoFalseAlarm(t *testing.T) {
	s := &survey{subjects: subjects(true, "sim", "host"), cases: [2]int{*smallFlag, *largeFlag}}
	if testing.Short() {
		s.cases = [2]int{min(*smallFlag, 1000), min(*largeFlag, 300)}
	}
	if *timeFlag > 0 {
		s.deadline = time.Now().Add(*timeFlag)
	}
	s.run(t)
	for _, a := range s.alarms {
		t.Error(a)
	}
	if *timeFlag == 0 && len(s.alarms) == 0 {
		require.Equal(t, s.cases, s.total())
	}
}

// The same survey gives the alarm on a cache with a fault, counts what it has run
// and ends at its bound.
func TestAlarm(t *testing.T) {
	all := subjects(false)
	i := slices.IndexFunc(all, func(x subject) bool { return x.name == "caches/cells-wide-window" })
	require.GreaterOrEqual(t, i, 0)
	s := &survey{subjects: all[i : i+1], cases: [2]int{100_000, 100_000}}
	s.run(t)
	require.GreaterOrEqual(t, len(s.alarms), maxAlarms)
	require.Contains(t, s.alarms[0], "caches/cells-wide-window")
	n := s.total()
	require.Less(t, n[0]+n[1], 50_000)
}

// All units together are the cases that were asked for.
func TestSurveyUnits(t *testing.T) {
	for _, cases := range [][2]int{{3000, 3000}, {100_000, 1000}, {7, 0}, {0, 7}, {1, 1}} {
		s := &survey{subjects: subjects(true, "sim"), cases: cases}
		var got [2]int
		seen := map[string]bool{}
		for n := int64(0); ; n++ {
			u, ok := s.unit(n)
			if !ok {
				break
			}
			require.Positive(t, u.cases)
			key := fmt.Sprint(u.subject.name, u.size, u.seed)
			require.False(t, seen[key], "drawn twice: %s", key)
			seen[key] = true
			got[u.size] += u.cases
		}
		require.Equal(t, cases, got)
	}
}

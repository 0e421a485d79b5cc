package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"golang.org/x/term"
)

// redrawEvery is how often the live line is drawn: often enough to look alive, too
// rarely to be seen in the hunt's rate.
const redrawEvery = 200 * time.Millisecond

// liveLine is the one line that says how far a hunt is, drawn again and again in
// its place. Only a terminal has one: elsewhere it draws nothing.
type liveLine struct {
	w     io.Writer
	width func() int // columns of the terminal; nil where it is none

	mu    sync.Mutex
	text  func() string // nil where nothing is to be drawn
	shown bool
	done  chan struct{}
	ended sync.WaitGroup
}

// newLiveLine starts a line; stop ends it.
func newLiveLine(w io.Writer) *liveLine {
	l := &liveLine{w: w}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return l
	}
	return l.start(func() int {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil || width < 1 {
			return columns
		}
		return width
	}, redrawEvery)
}

// start draws the line at these intervals, for a terminal so wide.
func (l *liveLine) start(width func() int, every time.Duration) *liveLine {
	l.width, l.done = width, make(chan struct{})
	l.ended.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-l.done:
				return
			case <-tick.C:
				l.draw()
			}
		}
	})
	return l
}

// show has the line drawn from now on; text is called at each time.
func (l *liveLine) show(text func() string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = text
}

func (l *liveLine) draw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text == nil {
		return
	}
	text := []rune(l.text())
	// The last column stays free: some terminals begin a new line after it.
	text = text[:max(0, min(len(text), l.width()-1))]
	fmt.Fprint(l.w, "\r\x1b[K", string(text))
	l.shown = true
}

// clear makes room for a line of output. Nothing is drawn until show.
func (l *liveLine) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = nil
	if l.shown {
		fmt.Fprint(l.w, "\r\x1b[K")
		l.shown = false
	}
}

// stop clears the line for good.
func (l *liveLine) stop() {
	if l.done != nil {
		close(l.done)
		l.ended.Wait()
		l.done = nil
	}
	l.clear()
}

// progress is how far a hunt is.
type progress struct {
	mu       sync.Mutex
	time     time.Duration // of the whole hunt, 0 without a bound
	jobs     int
	job      int // from 0
	name     string
	bound    int // cases of this job, 0 without a number
	inJob    int // cases of this job
	cases    int // of the jobs before
	findings int // of the jobs before
}

// begin is called at the start of a job.
func (p *progress) begin(job int, name string, bound int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.job, p.name, p.bound = job, name, bound
}

// ran is told how many cases of this job are done.
func (p *progress) ran(cases int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inJob = cases
}

// end is called at the end of a job.
func (p *progress) end(cases, findings int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cases += cases
	p.inJob = 0
	p.findings += findings
}

// line is the progress in words, after so much time.
func (p *progress) line(elapsed time.Duration) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	cases := p.cases + p.inJob
	text := ""
	if s := elapsed.Seconds(); s > 0 {
		text = fmt.Sprintf("%.0f cases/s, ", float64(cases)/s)
	}
	text += corpus.Plural(cases, "case")
	if p.jobs > 1 { // a hunt tells what it found at its end, so of one alone nothing is known
		text += ", " + corpus.Plural(p.findings, "finding")
	}
	if left, ok := p.left(elapsed); ok {
		text += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	return fmt.Sprintf("%s, [%d/%d] %s", text, p.job+1, p.jobs, p.name)
}

// left is the time that the hunt still takes: what --time leaves, else as long for
// each of the other targets as for those so far.
func (p *progress) left(elapsed time.Duration) (left time.Duration, ok bool) {
	if p.time > 0 {
		return max(0, p.time-elapsed), true
	}
	done := float64(p.job)
	if p.bound > 0 {
		done += float64(p.inJob) / float64(p.bound)
	}
	// Before a hundredth is done, nobody can say.
	if done *= 1 / float64(p.jobs); done < 0.01 {
		return 0, false
	}
	return time.Duration(float64(elapsed) * (1 - done) / done), true
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus/report"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/hunt"
)

// recordFormat is the first thing in the record of a shard.
const recordFormat = "slidefuzz shard v1"

// recordName is the record of a shard in its folder; a second one there is shard-2.jsonl,
// and so on: what one shard found, another does not overwrite.
const recordName = "shard.jsonl"

// recordHead is the first line of a record: which hunt, and which part of it.
type recordHead struct {
	Format   string        `json:"format"`
	Versions []string      `json:"versions"`
	Seed     uint64        `json:"seed"`
	Cases    int           `json:"cases"`
	Caught   int           `json:"caught"`
	Time     time.Duration `json:"time"`
	Index    int           `json:"index"`
	Of       int           `json:"of"`
	Steps    int           `json:"steps,omitempty"`
	// What else decides the cases: a worker and its fixed shape, the checkpoints of an
	// engine.
	About  string `json:"about,omitempty"`
	Limits string `json:"limits,omitempty"`
	// What a merge has of the hunt that asks the worker itself.
	Without featuresFlag  `json:"without,omitempty"`
	Shrink  time.Duration `json:"shrink,omitempty"`
	Targets []recordJob   `json:"targets"`
}

type recordJob struct {
	Target   string `json:"target"`
	Scenario string `json:"scenario,omitempty"`
}

// recordLine is any other line.
type recordLine struct {
	Job    int         `json:"job"`              // the index of the target
	Note   *hunt.Note  `json:"note,omitempty"`   // what a merge has to know
	Done   int         `json:"done,omitempty"`   // cases that have run, from time to time
	Result *recordEnd  `json:"result,omitempty"` // of the target, once it is done
	Report *keptReport `json:"report,omitempty"` // of a finding
	End    *recordStop `json:"end,omitempty"`    // of the shard
}

type recordEnd struct {
	hunt.Result
	Bound  int    `json:"bound"`
	NotRun bool   `json:"notRun"`
	Error  string `json:"error,omitempty"`
	Status int    `json:"status,omitempty"` // the exit status that the error stands for
}

type recordStop struct {
	Elapsed     time.Duration  `json:"elapsed"`
	Interrupted bool           `json:"interrupted"`
	Retries     worker.Retries `json:"retries,omitzero"`
}

// keptReport is a report as a merge writes it again, elsewhere: of a worker the
// command as it was given, and what the script that Python makes needs.
type keptReport struct {
	Report  *report.Report  `json:"report"`
	Exec    string          `json:"exec,omitempty"`
	Foreign *report.Foreign `json:"foreign,omitempty"`
}

// recordEvery is how often a record is written where nothing failed: a shard that dies
// loses the counts of so long, and no failure.
const recordEvery = time.Second

// recordHead is what the record of a shard begins with.
func (o *huntOptions) recordHead(ctx context.Context, jobs []job) recordHead {
	head := recordHead{
		Format: recordFormat, Versions: versions(), Seed: o.seed, Cases: o.cases, Caught: o.caught, Time: o.time, Steps: o.steps,
		Index: o.shard.Index, Of: o.shard.Of, Limits: o.worker.limits(), Without: o.without, Shrink: *o.shrink,
	}
	if o.worker.client != nil {
		if h, err := o.worker.client.Hello(ctx); err == nil {
			head.About = aboutWorker(h)
		}
		head.About += fmt.Sprintf(" %v %v", o.shape.text, o.without)
	}
	if o.worker.engine.backend != nil {
		head.About += o.worker.engine.about()
	}
	for _, j := range jobs {
		head.Targets = append(head.Targets, recordJob{j.target.String(), j.scenarioName()})
	}
	return head
}

// record is what a shard writes while it hunts. A nil one writes nothing.
type record struct {
	mu      sync.Mutex
	f       *os.File
	w       *bufio.Writer
	flushed time.Time
	err     error
}

// newRecord starts the record of a shard in a folder.
func newRecord(dir string, head recordHead) (*record, error) {
	for n := 1; ; n++ {
		name := recordName
		if n > 1 {
			name = fmt.Sprintf("shard-%d.jsonl", n)
		}
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if os.IsExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		r := &record{f: f, w: bufio.NewWriter(f)}
		r.write(head, true)
		return r, nil
	}
}

// write writes a line, and all lines before it where now is true or it is time to.
func (r *record) write(line any, now bool) {
	data, err := json.Marshal(line)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		_, err = r.w.Write(append(data, '\n'))
	}
	if now || time.Since(r.flushed) > recordEvery {
		err = errors.Join(err, r.w.Flush())
		r.flushed = time.Now()
	}
	r.err = errors.Join(r.err, err)
}

// notes is what a hunt in a target tells, nil without a record.
func (r *record) notes(job int) func(hunt.Note) {
	if r == nil {
		return nil
	}
	return func(n hunt.Note) { r.write(recordLine{Job: job, Note: &n}, n.Number > 0) }
}

// progress is a hunt's progress, told to the record too.
func (r *record) progress(job int, tell func(int)) func(int) {
	if r == nil {
		return tell
	}
	next := time.Now().Add(recordEvery)
	return func(done int) {
		if tell != nil {
			tell(done)
		}
		if now := time.Now(); now.After(next) {
			next = now.Add(recordEvery)
			r.write(recordLine{Job: job, Done: done}, true)
		}
	}
}

// target notes what a target came to.
func (r *record) target(job int, o *outcome) {
	if r == nil {
		return
	}
	end := recordEnd{Result: o.Result, Bound: o.bound, NotRun: o.notRun}
	end.Findings = nil // the notes have them
	if o.err != nil {
		end.Error, end.Status = o.err.Error(), statusOf(o.err)
	}
	r.write(recordLine{Job: job, Result: &end}, true)
}

// report notes a report that was written.
func (r *record) report(job int, k *keptReport) {
	if r != nil {
		r.write(recordLine{Job: job, Report: k}, true)
	}
}

// close ends the record with what the shard came to.
func (r *record) close(end *huntEnd) error {
	if r == nil {
		return nil
	}
	r.write(recordLine{End: &recordStop{end.elapsed, end.Interrupted, end.retries}}, true)
	return errors.Join(r.err, r.f.Close())
}

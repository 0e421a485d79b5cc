package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// printer is how a hunt is told.
type printer interface {
	start(o huntOptions, jobs []job)
	target(o *outcome)
	end(all []*outcome, end huntEnd)
}

// printer is how the hunt is told.
func (o *huntOptions) printer(e *env) printer {
	if !o.json {
		return &textPrinter{w: e.out, err: e.err}
	}
	enc := json.NewEncoder(e.out)
	enc.SetEscapeHTML(false)
	return &jsonPrinter{enc}
}

// conclude writes the index page and the results as JUnit XML, where they are asked
// for.
func (o *huntOptions) conclude(e *env, command string, all []*outcome, end *huntEnd) {
	if o.out != "" {
		if err := o.writeIndex(all, *end); err != nil {
			e.complain(fmt.Errorf("%s: -o: %w", command, err))
			end.status = worse(end.status, exitUsage)
		}
	}
	if o.junit != "" {
		if err := writeJUnit(o.junit, o.seed, all, *end); err != nil {
			e.complain(fmt.Errorf("%s: --junit: %w", command, err))
			end.status = worse(end.status, exitUsage)
		}
	}
}

// notStarted has the outputs that were asked for hold the error of what did not start, which
// is no wrong usage: of that nothing is written. A signal may have ended the start.
func (o *huntOptions) notStarted(ctx context.Context, e *env, command string, err error) (int, error) {
	end := huntEnd{Errors: 1, err: err, status: statusOf(err), retries: o.worker.retries()}
	if s, ended := endedBy(ctx); ended {
		err = context.Cause(ctx)
		end.err, end.status, end.Interrupted = err, s, true
	}
	if end.status == exitUsage {
		return 0, err
	}
	if bad := o.checkOutput(); bad != nil {
		e.complain(fmt.Errorf("%s: %w", command, bad))
		end.status = worse(end.status, exitUsage)
	} else {
		o.conclude(e, command, []*outcome{{job: job{start: true}, err: err}}, &end)
	}
	if o.json {
		p := o.printer(e)
		p.start(*o, nil)
		p.end(nil, end)
	}
	return end.status, err
}

// checkOutput refuses what cannot be written, which is better known before the work
// than after.
func (o *huntOptions) checkOutput() error {
	if o.out != "" {
		if err := os.MkdirAll(o.out, 0o755); err != nil {
			return fmt.Errorf("-o: %w", err)
		}
	}
	if o.junit != "" {
		if info, err := os.Stat(filepath.Dir(o.junit)); err != nil || !info.IsDir() {
			return fmt.Errorf("--junit %s: there is no folder %s; make it first", o.junit, filepath.Dir(o.junit))
		}
	}
	return nil
}

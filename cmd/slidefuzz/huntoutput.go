package main

import (
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

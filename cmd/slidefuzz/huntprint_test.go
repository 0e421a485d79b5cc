package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/slidefuzz/slidefuzz/impls/window"
)

// The last line says what is wrong, an error first, and "nothing unexpected" of nothing else.
func TestLastLine(t *testing.T) {
	of := func(err error, unexpected string, notRun bool) *outcome {
		return &outcome{job: job{target: window.WorkerTarget("x")}, err: err, unexpected: unexpected, notRun: notRun}
	}
	good, failed, wrong, left := of(nil, "", false), of(errors.New("no"), "", false), of(nil, "it diverged", false), of(nil, "", true)
	for want, x := range map[string]struct {
		all         []*outcome
		interrupted bool
	}{
		"nothing unexpected": {[]*outcome{good}, false},
		"1 error":            {[]*outcome{good, failed}, false},
		"1 error; 1 unexpected: worker/x (it diverged)":                           {[]*outcome{wrong, failed}, false},
		"1 unexpected: worker/x (it diverged)":                                    {[]*outcome{wrong}, false},
		"interrupted, nothing unexpected so far":                                  {[]*outcome{good}, true},
		"1 error; interrupted; 1 target not run":                                  {[]*outcome{failed, left}, true},
		"nothing unexpected; 1 target not run: the time was up, give more --time": {[]*outcome{left}, false},
	} {
		var out strings.Builder
		(&textPrinter{w: &out}).end(x.all, summarize(x.all, x.interrupted, 0))
		_, got, _ := strings.Cut(strings.TrimSpace(out.String()), ": ")
		assert.Equal(t, want, got)
	}
}

// A rate is never told as a power of ten.
func TestPerSecond(t *testing.T) {
	for n, want := range map[float64]string{0.0299: "0.0299 a second", 12.34: "12.3 a second", 999.4: "999 a second", 1230.4: "1230 a second"} {
		assert.Equal(t, want, perSecond(n))
	}
}

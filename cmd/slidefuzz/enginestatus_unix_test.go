//go:build unix

package main

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A program that is not there is what the machine lacks; one that ends or hangs before it
// has answered is at fault, whoever drives it.
func TestStatusOfEngineThatDoesNotStart(t *testing.T) {
	t.Setenv("SLIDEFUZZ_CACHE", t.TempDir())
	for _, engine := range []string{"", "--engine=llama.cpp", "--engine=ollama"} {
		for exec, want := range map[string]int{
			"/no/such/program": exitMissing,
			"no-such-program":  exitMissing,
			"sh -c 'exit 2'":   exitUnexpected,
			"sleep 60":         exitUnexpected,
		} {
			args := []string{"hunt", "--exec", exec, "--timeout", "200ms", "--start-timeout", "200ms", "--cases", "1", "--seed", "1"}
			if engine != "" {
				args = append(args, engine)
			}
			var stderr strings.Builder
			got := execute(t.Context(), args, strings.NewReader(""), io.Discard, &stderr)
			assert.Equal(t, want, got, "%s %s: %s", engine, exec, &stderr)
		}
	}
}

// The last line of --json has what an engine in another process took of the processor.
func TestProcessorTimeAsJSON(t *testing.T) {
	var out strings.Builder
	p := &jsonPrinter{json.NewEncoder(&out)}
	p.end(nil, huntEnd{processor: processorTime{1500 * 1e6, 250 * 1e6}})
	var line struct {
		Processor float64
		Engine    float64 `json:"engine_processor"`
	}
	require.NoError(t, json.Unmarshal([]byte(out.String()), &line))
	assert.InDelta(t, 1.5, line.Processor, 1e-9)
	assert.InDelta(t, 0.25, line.Engine, 1e-9)
}

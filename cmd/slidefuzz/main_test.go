package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// call runs the program in this process.
func call(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = execute(t.Context(), args, strings.NewReader(stdin), &out, &err)
	return status, out.String(), err.String()
}

// A hunt's results as JUnit XML: a known-bad target that is caught passes.
func TestJUnit(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "junit.xml")
	status, out, _ := call(t, "", "hunt", "roll/drop-war/sim", "roll/fused/sim", "--cases", "200", "--seed", "7", "--out", dir, "--junit", file)
	require.Equal(t, 0, status, out)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var suites junitSuites
	require.NoError(t, xml.Unmarshal(data, &suites))
	assert.Equal(t, 2, suites.Tests)
	assert.Zero(t, suites.Failures+suites.Errors+suites.Skipped)
	require.Len(t, suites.Suite.Cases, 2)
	assert.Equal(t, "roll/drop-war/sim", suites.Suite.Cases[0].Name)
	assert.Contains(t, suites.Suite.Cases[0].Out, "slidefuzz case v1")
	assert.Contains(t, suites.Suite.Cases[0].Out, filepath.Join(dir, "roll_drop-war_sim-1"))
}

func TestHuntJSON(t *testing.T) {
	status, out, stderr := call(t, "", "hunt", "roll/drop-war/sim", "roll/fused/sim", "--cases", "200", "--seed", "7", "--json")
	assert.Equal(t, 0, status)
	assert.Empty(t, stderr)
	var events []string
	for line := range strings.Lines(out) {
		var v map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &v), line)
		event, _ := v["event"].(string)
		events = append(events, event)
		switch event {
		case "finding":
			text, _ := v["case"].(string)
			status, out, _ := call(t, text, "replay", "-")
			assert.Equal(t, 0, status, out)
		case "end":
			assert.InDelta(t, status, v["exit"], 0)
		}
	}
	assert.Equal(t, "start", events[0])
	assert.Equal(t, "end", events[len(events)-1])
	assert.Contains(t, events, "finding")
	_, out, _ = call(t, "", "targets", "--json")
	for line := range strings.Lines(out) {
		assert.True(t, json.Valid([]byte(line)), line)
	}
}

// A known-bad target that no case can catch fails.
func TestJUnitFailure(t *testing.T) {
	file := filepath.Join(t.TempDir(), "junit.xml")
	status, _, _ := call(t, "", "hunt", "crop-zero/fused/sim", "--cases", "1", "--seed", "1", "--junit", file)
	assert.Equal(t, 1, status)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var suites junitSuites
	require.NoError(t, xml.Unmarshal(data, &suites))
	assert.Equal(t, 1, suites.Failures)
	require.Len(t, suites.Suite.Cases, 1)
	require.NotNil(t, suites.Suite.Cases[0].Failure)
	assert.Contains(t, suites.Suite.Cases[0].Failure.Message, "not caught")
}

// The same seed gives the same cases, and so the same findings.
func TestSameSeed(t *testing.T) {
	findings := func() (all []findingEvent) {
		_, out, _ := call(t, "", "hunt", "roll/drop-war/sim", "cat/drop-war/sim", "--cases", "50", "--seed", "7", "--json")
		for line := range strings.Lines(out) {
			var v findingEvent
			require.NoError(t, json.Unmarshal([]byte(line), &v), line)
			if v.Event == "finding" {
				v.After, v.Shrinking = 0, 0 // times
				all = append(all, v)
			}
		}
		return all
	}
	first := findings()
	require.NotEmpty(t, first)
	assert.Equal(t, first, findings())
}

// A hunt that is over before it begins says so.
func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out, stderr bytes.Buffer
	status := execute(ctx, []string{"hunt"}, strings.NewReader(""), &out, &stderr)
	assert.Equal(t, 0, status, "no signal ended it")
	assert.Contains(t, out.String(), "interrupted")
}

func TestScenario(t *testing.T) {
	if inplace.RaceEnabled || testing.Short() {
		t.Skip("some seconds, ten times that with -race")
	}
	status, out, stderr := call(t, "", "hunt", "issue-159855", "--device", "sim")
	assert.Equal(t, 0, status, out+stderr)
	assert.Contains(t, out, "issue-159855 roll/drop-war/sim")
	assert.Contains(t, out, "window 4096, 8 lanes, dim 256")
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestFullDisk(t *testing.T) {
	var stderr bytes.Buffer
	status := execute(t.Context(), []string{"targets"}, nil, fullDisk{}, &stderr)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr.String(), "no space left")
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{"1": 1 << 20, "1KiB": 1 << 10, "3MiB": 3 << 20, "2GiB": 2 << 30} {
		var s sizeFlag
		require.NoError(t, s.Set(text))
		assert.EqualValues(t, want, s)
	}
	for _, text := range []string{"", "0", "-1", "1.5GiB", "GiB", "9000000TiB"} {
		assert.Error(t, new(sizeFlag).Set(text), text)
	}
}

package hunt

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/engine/reference"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
	rengine "github.com/slidefuzz/slidefuzz/props/run/engine"
)

// referenceBackend is the reference engine with a fault, "" for none, and its target.
func referenceBackend(t *testing.T, fault string, models rengine.Choice) (*run.Backends, window.Target) {
	t.Helper()
	driver, err := reference.New(reference.Options{Fault: fault})
	require.NoError(t, err)
	name := "reference"
	if fault != "" {
		name += ":" + fault
	}
	b, err := rengine.New(driver, rengine.Options{
		Name: name, All: true, Quick: true, Models: models, Folder: t.TempDir(),
		Can: corpus.EngineCan{Crop: true, Fork: true, Chunks: true, Join: true, Padding: true},
	})
	require.NoError(t, err)
	all := run.Local()
	all.ByDevice[window.EngineDevice] = b
	return all, b.Target()
}

// The reference engine without a fault is right, at every step.
func TestEngineSound(t *testing.T) {
	models, cases := rengine.Choice{Windows: []int{3, 8}}, 60
	if testing.Short() { // the full ones take most of the time
		models.Kinds, cases = []string{"visible"}, 20
	}
	all, target := referenceBackend(t, "", models)
	r, err := Hunt(t.Context(), all, target, Options{Seed: 1, Cases: cases})
	require.NoError(t, err)
	for _, f := range r.Findings {
		t.Logf("%s\n%s", f.Divergence, f.Small.Text())
	}
	require.Empty(t, r.Findings)
	require.Equal(t, cases, r.Cases)
	require.Greater(t, r.Steps.Steps, 5*cases)
	require.Zero(t, r.Steps.Undecided)
	require.Empty(t, r.Unexpected())
	t.Logf("%+v %v", r.Steps, r.Elapsed)
}

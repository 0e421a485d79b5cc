package engine_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The drivers and the workers of programs in Python list their flags where no engine and no
// compiler is installed: -S leaves out all that is.
func TestHelpOfDrivers(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		needs(t, "python3", err.Error())
	}
	folder := filepath.Join("..", "worker", "python")
	// go test's cache knows of the folders that the test reads itself, and what is in them.
	for _, dir := range []string{"llamacpp", filepath.Join(folder, "slidefuzz_worker")} {
		_, err := os.ReadDir(dir)
		require.NoError(t, err)
	}
	drivers := []string{filepath.Join("llamacpp", "serve.py")}
	for _, pattern := range []string{"*_model.py", "*_generate.py", "*_issue.py", "*_programs.py"} {
		found, err := filepath.Glob(filepath.Join(folder, pattern))
		require.NoError(t, err)
		drivers = append(drivers, found...)
	}
	require.Len(t, drivers, 18)
	for _, driver := range drivers {
		cmd := exec.CommandContext(t.Context(), python, "-S", driver, "--help")
		cmd.Env = append(cmd.Environ(), "PYTHONPATH="+folder)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", driver, out)
		assert.Contains(t, string(out), "usage: ")
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The page of engines has all of its example of a driver, in under 60 lines.
func TestEnginesPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "engines.md"))
	require.NoError(t, err)
	example, err := os.ReadFile(filepath.Join("..", "..", "impls", "worker", "python", "ctranslate2_model.py"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "```python\n"+string(example)+"```\n")
	assert.Less(t, strings.Count(string(example), "\n"), 60)
}

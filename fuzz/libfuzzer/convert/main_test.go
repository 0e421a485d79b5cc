package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What goes to bytes and back is what it was, whatever bytes it has.
func TestConvertBothWays(t *testing.T) {
	raw, kept, back := t.TempDir(), t.TempDir(), t.TempDir()
	in := []byte("a \"word\"\n\x00\xff\\ é")
	require.NoError(t, os.WriteFile(filepath.Join(raw, "x"), in, 0o644))
	require.NoError(t, convert(raw, kept, true))
	require.NoError(t, convert(kept, back, false))
	files, err := os.ReadDir(back)
	require.NoError(t, err)
	require.Len(t, files, 1)
	got, err := os.ReadFile(filepath.Join(back, files[0].Name()))
	require.NoError(t, err)
	require.Equal(t, in, got)
	// The inputs that this module keeps are read too.
	require.NoError(t, convert("../../testdata/fuzz/FuzzUpdate", t.TempDir(), false))
	// What is not an input says so.
	require.ErrorContains(t, convert(raw, t.TempDir(), false), filepath.Join(raw, "x"))
}

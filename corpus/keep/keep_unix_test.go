//go:build unix

package keep

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A pipe in the folder is not waited for; a link to a case is read.
func TestFolderWithPipe(t *testing.T) {
	x, said := open(t, t.TempDir())
	require.NoError(t, syscall.Mkfifo(filepath.Join(x.dir, "pipe.txt"), 0o644))
	require.NoError(t, os.Symlink("pipe.txt", filepath.Join(x.dir, "link-to-pipe.txt")))
	elsewhere := filepath.Join(t.TempDir(), "case.txt")
	require.NoError(t, agreed(t, "append 1\n").WriteFile(elsewhere))
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(x.dir, "link.txt")))
	k, err := x.Kept()
	require.NoError(t, err)
	assert.Len(t, k.Cases, 1)
	assert.Empty(t, *said)
}

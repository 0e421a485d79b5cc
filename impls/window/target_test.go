package window

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
)

// The target that is a user's cache in Go reads as it prints, has no updates of
// ours, and nothing is known to be bad about it.
func TestCacheTarget(t *testing.T) {
	target, err := ParseTarget("cache")
	require.NoError(t, err)
	require.Equal(t, CacheTarget(), target)
	require.Equal(t, "cache", target.String())
	require.NoError(t, target.Check())
	require.True(t, target.Sound())
	require.True(t, target.Foreign())
	require.False(t, target.Racy())
	require.False(t, target.IsProgram())
	require.False(t, OnGPU(target.Device))
	require.True(t, OrdersItself(target.Device), "it may have another outcome each time")
	require.NotContains(t, Targets(), target)
	_, err = NewEngine(target, impls.Shape{Batch: 1, Heads: 1, Window: 2, Dim: 1}, 1)
	require.ErrorContains(t, err, "no update is called")
	for _, text := range []string{"cache/fused/sim", "roll/fused/cache", "Cache", "cache/"} {
		_, err := ParseTarget(text)
		require.Error(t, err, text)
	}
	other, err := ParseTarget("worker/cache")
	require.NoError(t, err)
	require.NotEqual(t, target, other)
}

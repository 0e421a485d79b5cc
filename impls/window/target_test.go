package window

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/caches"
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

// The built-in caches in Go read as they print, are as sound as they say, and have no
// name of an update or program, for those would be taken for one.
func TestBuiltinCaches(t *testing.T) {
	all := TargetsOn(Go)
	require.Len(t, all, len(caches.List()))
	for _, i := range caches.List() {
		target, err := ParseTarget("go/" + i.Name)
		require.NoError(t, err)
		require.Equal(t, BuiltinCache(i.Name), target)
		require.Equal(t, "go/"+i.Name, target.String())
		require.Equal(t, i.Sound, target.Sound(), i.Name)
		require.False(t, target.Racy(), "no order of blocks decides whether it shows")
		require.False(t, target.Foreign())
		require.False(t, target.IsProgram())
		require.Contains(t, all, target)
		require.NotContains(t, Targets(), target, "stored fuzz inputs would decode to something else")
		_, update := LookupUpdate(i.Name)
		_, program := BuiltinProgram(i.Name, 4)
		require.False(t, update || program, i.Name)
	}
	require.Contains(t, Devices(), Go)
	require.False(t, OnGPU(Go))
	require.False(t, OrdersItself(Go), "it does the same each time")
	for _, text := range []string{"go/", "go/nonsense", "go/roll", "ring/fused/go", "roll/fused/go", "go/ring/sim"} {
		_, err := ParseTarget(text)
		require.Error(t, err, text)
	}
	ring := BuiltinCache("ring")
	require.Zero(t, testing.AllocsPerRun(10, func() {
		if ring.Check() != nil || !ring.Sound() {
			t.Error("go/ring is sound")
		}
	}))
}

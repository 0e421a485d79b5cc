package run

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// bare can do what each cache can, and no more.
type bare struct{ impls.Cache }

type cropper struct{ bare }

func (cropper) Crop(int) error { return nil }

type snapshotter struct{ bare }

func (snapshotter) Snapshot(int) error { return nil }
func (snapshotter) Restore(int) error  { return nil }

type sequences struct{ bare }

func (sequences) Select([]int) error   { return nil }
func (sequences) CropEach([]int) error { return nil }

func (sequences) UpdateEach(keys, values impls.Tensor, _ []int) (k, v impls.Tensor, err error) {
	return keys, values, nil
}

func TestCapabilities(t *testing.T) {
	require.Empty(t, Capabilities(bare{}))
	require.Equal(t, []corpus.Capability{corpus.CanCrop}, Capabilities(cropper{}))
	require.Equal(t, []corpus.Capability{corpus.CanSnapshot}, Capabilities(snapshotter{}))
	require.Equal(t, []corpus.Capability{corpus.CanCropEach, corpus.CanRagged, corpus.CanSelect}, Capabilities(sequences{}))
	own, err := window.New(window.Target{Update: "roll", Lowering: inplace.Fused, Device: "sim"}, impls.Shape{Batch: 1, Heads: 1, Window: 2, Dim: 1}, 1)
	require.NoError(t, err)
	require.Equal(t, []corpus.Capability{corpus.CanCrop, corpus.CanSnapshot}, Capabilities(own), "what corpus.Draws draws for it")
}

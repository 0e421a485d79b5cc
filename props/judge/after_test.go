package judge

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// What a device's cache is judged by afterwards can what the built-in updates can.
func TestCapabilitiesAfterwards(t *testing.T) {
	a := &again{}
	for need, want := range map[corpus.Capability]bool{
		corpus.CanCrop: true, corpus.CanSnapshot: true, corpus.CanCropEach: false, corpus.CanSelect: false, corpus.CanRagged: false,
	} {
		require.Equal(t, want, a.Can(need), need)
	}
}

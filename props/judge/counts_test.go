package judge

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCountsText(t *testing.T) {
	require.Equal(t, "operations accepted: append 120 (7 refused), crop 0 (all 9 refused), reset 4", CountsText(map[string]Count{
		"crop": {Refused: 9}, "append": {Accepted: 120, Refused: 7}, "reset": {Accepted: 4},
	}))
}

package engine

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGreedy(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		logits []float32
		want   int
	}{
		{[]float32{-2, -1, -3}, 1},
		{[]float32{0, 5, 5}, 1},
		{[]float32{nan, 1}, -1},
		{[]float32{1, nan}, -1},
		{nil, -1},
	} {
		assert.Equal(t, c.want, Greedy(c.logits), "%v", c.logits)
	}
}

// ahead is an engine whose token after a prompt of n tokens is n: it says which prompts
// it was asked.
type ahead struct{ asked [][]int }

func (a *ahead) Load(context.Context, string, Format) error { return nil }
func (a *ahead) Close()                                     {}

func (a *ahead) Complete(_ context.Context, prompt []int, steps int) (rows [][]float32, err error) {
	a.asked = append(a.asked, prompt)
	for i := range steps {
		row := make([]float32, 16)
		row[len(prompt)+i] = 1
		rows = append(rows, row)
	}
	return rows, nil
}

// What an engine decoded ahead is used as long as its tokens are those that it chose, and
// it is asked again with the whole prompt where they are not.
func TestPromptsAskAgain(t *testing.T) {
	a := &ahead{}
	d := &Prompts{Completer: a, Ahead: 3}
	require.NoError(t, d.Load(t.Context(), "", "", 0))
	next := func(isNew bool, tokens ...int) int {
		rows, err := d.Forward(t.Context(), []Chunk{{Request: "a", New: isNew, Tokens: tokens}}, false)
		require.NoError(t, err)
		return Greedy(rows[0])
	}
	assert.Equal(t, 2, next(true, 7, 7))
	assert.Equal(t, 3, next(false, 2)) // as it chose
	assert.Equal(t, 4, next(false, 3))
	assert.Len(t, a.asked, 1)
	assert.Equal(t, 1, d.Requests())
	assert.Equal(t, 5, next(false, 4)) // none is left
	assert.Equal(t, 6, next(false, 9)) // another than it chose
	assert.Equal(t, [][]int{{7, 7}, {7, 7, 2, 3, 4}, {7, 7, 2, 3, 4, 9}}, a.asked)
	assert.Equal(t, 3, d.Requests())
}

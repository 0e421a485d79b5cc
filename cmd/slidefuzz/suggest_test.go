package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDistance(t *testing.T) {
	for _, x := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "ab", 2},
		{"ab", "", 2},
		{"hunt", "hunt", 0},
		{"hnt", "hunt", 1},
		{"hutn", "hunt", 1},
		{"HUNT", "hunt", 0},
		{"hunts", "hunt", 1},
		{"hurt", "hunt", 1},
		{"kitten", "sitting", 3},
		{"ca", "abc", 3},
		{"é", "e", 1},
	} {
		assert.Equal(t, x.want, distance(x.a, x.b), "%s %s", x.a, x.b)
		assert.Equal(t, x.want, distance(x.b, x.a), "%s %s", x.b, x.a)
	}
}

func TestNear(t *testing.T) {
	words := []string{"hunt", "replay", "report", "targets"}
	assert.Equal(t, []string{"hunt"}, near("hutn", words))
	assert.Equal(t, []string{"targets"}, near("target", words))
	assert.Equal(t, []string{"replay"}, near("repaly", words))
	assert.Empty(t, near("nonsense", words))
	assert.Len(t, near("ab", []string{"ac", "ad", "ae", "af"}), 3, "no more than three")
}

package gpu

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// Requests of every kind arrive as they were sent, one after the other, and one that is
// cut short is an error.
func TestRequestsArrive(t *testing.T) {
	large := bytes.Repeat([]byte{1, 2, 3, 4}, 100_000)
	var pipe bytes.Buffer
	s, r := newSender(&pipe), newReceiver(&pipe)
	for _, q := range []*request{
		{Run: &runRequest{words: large, groups: []byte{9, 0, 0, 0}, Slots: 3, Ticketed: true}},
		{Run: &runRequest{Blocks: []int{1, 2}}},
		{Bench: &benchRequest{Run: runRequest{words: large[:8]}, Rounds: 4}},
		{Judge: &judgeRequest{Run: runRequest{groups: large[:40]}, Log: "x"}},
	} {
		require.NoError(t, s.send(q))
		got, err := r.receive()
		require.NoError(t, err)
		want, have := q.batch(), got.batch()
		require.Equal(t, len(want.words), len(have.words))
		require.True(t, bytes.Equal(want.words, have.words))
		require.True(t, bytes.Equal(want.groups, have.groups))
		want.words, want.groups, have.words, have.groups = nil, nil, nil, nil
		require.Equal(t, q, got)
	}
	_, err := r.receive()
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, s.send(&request{Run: &runRequest{words: large}}))
	pipe.Truncate(pipe.Len() - 1)
	_, err = r.receive()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

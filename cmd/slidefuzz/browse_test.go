package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpenCommand(t *testing.T) {
	require.Equal(t, []string{"xdg-open", "a.html"}, openCommand("linux", "a.html"))
	require.Equal(t, []string{"open", "a.html"}, openCommand("darwin", "a.html"))
	require.Equal(t, []string{"rundll32", "url.dll,FileProtocolHandler", "a.html"}, openCommand("windows", "a.html"))
}

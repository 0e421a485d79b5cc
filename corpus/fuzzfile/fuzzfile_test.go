package fuzzfile

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every type that testing.F.Add takes, as go test writes it.
func TestParse(t *testing.T) {
	got, err := Parse([]byte(`go test fuzz v1
[]byte("a\x00\u07b2")
string("it's \"x\"")
bool(true)
byte('\xff')
byte(7)
rune('é')
int32(-5)
int(-12)
int8(-8)
int16(16)
int64(9223372036854775807)
uint(3)
uint8(8)
uint16(16)
uint32(32)
uint64(18446744073709551615)
float32(-1.5)
float64(+Inf)
float64(-0)
math.Float64frombits(0x7ff8000000000002)

`))
	require.NoError(t, err)
	require.Len(t, got, 20)
	require.Equal(t, uint64(0x7ff8000000000002), math.Float64bits(got[19].(float64)))
	require.True(t, math.Signbit(got[18].(float64)))
	require.Equal(t, []any{
		[]byte("a\x00\u07b2"), `it's "x"`, true, byte(0xff), byte(7), 'é', int32(-5), -12, int8(-8), int16(16), int64(math.MaxInt64),
		uint(3), uint8(8), uint16(16), uint32(32), uint64(math.MaxUint64), float32(-1.5), math.Inf(1),
	}, got[:18])
}

// What is no such file says which line is wrong.
func TestParseErrors(t *testing.T) {
	for text, says := range map[string]string{
		"":                                 "line 1",
		"slidefuzz case v1\n":              "line 1",
		"go test fuzz v1\n":                "line 2",
		"go test fuzz v1\nint(1)\nint(x)":  "line 3",
		"go test fuzz v1\nint(1":           "line 2",
		"go test fuzz v1\nbyte('世')\n":     "line 2",
		"go test fuzz v1\n[]byte(1)\n":     "line 2",
		"go test fuzz v1\n[3]byte(\"a\")":  "line 2",
		"go test fuzz v1\nint8(300)\n":     "line 2",
		"go test fuzz v1\nbool(maybe)\n":   "line 2",
		"go test fuzz v1\nstring(f(1))\n":  "line 2",
		"go test fuzz v1\ncomplex64(1)\n":  "line 2",
		"go test fuzz v1\nint(1, 2)\n":     "line 2",
		"go test fuzz v1\nos.Exit(1)\n":    "line 2",
		"go test fuzz v1\nmath.Sqrt(1)\n":  "line 2",
		"go test fuzz v1\nfloat64(NaNa)\n": "line 2",
	} {
		_, err := Parse([]byte(text))
		require.ErrorContains(t, err, says, "%q", text)
	}
}

// One argument of bytes, and nothing else.
func TestBytes(t *testing.T) {
	in, err := Bytes([]byte("go test fuzz v1\n[]byte(\"\\x01a\")\n"))
	require.NoError(t, err)
	require.Equal(t, []byte("\x01a"), in)
	for _, bad := range []string{
		"", "go test fuzz v1\n", "go test fuzz v2\n[]byte(\"\")\n", "go test fuzz v1\n[]byte(\"\\xz\")\n",
		"go test fuzz v1\nint(3)\n", "go test fuzz v1\nstring(\"a\")\n", "go test fuzz v1\n[]byte(\"a\")\n[]byte(\"b\")\n",
	} {
		_, err := Bytes([]byte(bad))
		require.Error(t, err, bad)
	}
}

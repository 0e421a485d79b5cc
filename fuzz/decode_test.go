package fuzz

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/fuzzfile"
)

// decoders are how the fuzz targets that take a case as bytes read it.
var decoders = map[string]func([]byte) *corpus.Case{
	"FuzzUpdate":  corpus.Decode,
	"FuzzInPlace": corpus.DecodeProgram,
}

// Stored inputs keep their meaning: every seed, every file under testdata/fuzz
// and many random inputs decode to the text that they had at 41f9749, where
// testdata/decoded.txtar comes from, but for what begins with corpus.WidePrefix: that
// is as it was when the prefix came, on 26 November 2026.
func TestStoredInputsKeepTheirMeaning(t *testing.T) {
	golden, err := txtar.ParseFile(filepath.Join("testdata", "decoded.txtar"))
	require.NoError(t, err)
	want := map[string]string{}
	for _, f := range golden.Files {
		want[f.Name] = string(f.Data)
	}
	require.Equal(t, want, decoded(t))
}

// decoded is what each stored input decodes to, by target and name.
func decoded(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for i, in := range programSeeds {
		all[fmt.Sprintf("FuzzInPlace/seed-%d", i)] = string(corpus.DecodeProgram(in).Text())
	}
	for i, in := range caseSeeds {
		all[fmt.Sprintf("FuzzCase/cache-%d", i)] = string(corpus.Decode(in).Text())
		all[fmt.Sprintf("FuzzCase/program-%d", i)] = string(corpus.DecodeProgram(in).Text())
	}
	for _, target := range slices.Sorted(maps.Keys(decoders)) {
		decode := decoders[target]
		files, err := filepath.Glob(filepath.Join("testdata", "fuzz", target, "*"))
		require.NoError(t, err)
		for _, path := range files {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			in, err := fuzzfile.Bytes(text)
			require.NoError(t, err)
			require.False(t, bytes.HasPrefix(in, []byte(corpus.WidePrefix)), path)
			all[target+"/"+filepath.Base(path)] = string(decode(in).Text())
		}
		r := rand.New(rand.NewPCG(10, 41))
		sum := sha256.New()
		for range 5000 {
			in := make([]byte, r.IntN(64))
			for i := range in {
				in[i] = byte(r.Uint32())
			}
			sum.Write(decode(in).Text())
		}
		all[target+"/random"] = fmt.Sprintf("%x\n", sum.Sum(nil))
	}
	r, sum := rand.New(rand.NewPCG(11, 26)), sha256.New()
	for range 5000 {
		in := []byte(corpus.WidePrefix)
		for range r.IntN(64) {
			in = append(in, byte(r.Uint32()))
		}
		sum.Write(corpus.Decode(in).Text())
	}
	all["FuzzUpdate/wide"] = fmt.Sprintf("%x\n", sum.Sum(nil))
	return all
}

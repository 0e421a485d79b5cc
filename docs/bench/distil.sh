#!/usr/bin/env bash
# Distils what fuzzing FuzzUpdate and FuzzInPlace finds interesting, filled up with
# random inputs to 5,000 each, by coverage; and has libFuzzer's -merge=1 do the same
# with the inputs of FuzzUpdate, where clang and its libFuzzer are installed (Debian:
# clang libclang-rt-14-dev). Prints sizes and times; exits with 1 where a distillation
# fails or takes more than 180 s.
#
#   docs/bench/distil.sh [MINUTES]      of fuzzing each target, 60 unless given
#   FUZZED=DIR docs/bench/distil.sh     with the inputs in DIR/FuzzUpdate and
#                                       DIR/FuzzInPlace instead
set -euo pipefail
cd "$(dirname "$0")/../.."
minutes=${1:-60}
total=5000
limit=180
# Of what is timed, the seconds of the processor too: the machine may be busy.
TIMEFORMAT='%R s, of the processor %U s'
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# Its repository has no tags; a later commit may take other targets.
fuzz_build=github.com/AdamKorcz/go-118-fuzz-build@v0.0.0-20250520111509-a70c2aa677fa

go build -o "$tmp/slidefuzz" ./cmd/slidefuzz
fuzzed=${FUZZED:-}
if [[ -z $fuzzed ]]; then
  fuzzed=$tmp/fuzzed
  go test -c -fuzz=FuzzUpdate -o "$tmp/fuzz.test" ./fuzz
  pids=()
  for target in FuzzUpdate FuzzInPlace; do
    mkdir -p "$tmp/run/$target"
    cp -r fuzz/testdata "$tmp/run/$target"
    # A finding ends a run: it becomes an input, and the next run goes on.
    (
      cd "$tmp/run/$target"
      end=$((SECONDS + 60 * minutes))
      while ((SECONDS < end)); do
        timeout -s INT $((end - SECONDS)) "$tmp/fuzz.test" -test.run '^$' -test.fuzz "^$target\$" \
          -test.fuzzcachedir "$fuzzed" -test.parallel 1 -test.fuzztime 1000000000x -test.fuzzminimizetime 1x >log 2>&1 || true
        [[ ! -d testdata/fuzz/$target ]] || cp testdata/fuzz/$target/* "$fuzzed/$target/"
        rm -rf "testdata/fuzz/$target"
      done
    ) &
    pids+=($!)
  done
  wait "${pids[@]}"
fi

# The inputs as go test keeps them, and as bytes; random ones have up to 255 bytes.
cat >"$tmp/fill.go" <<'GO'
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"github.com/slidefuzz/slidefuzz/corpus/fuzzfile"
)

func main() {
	from, to, raw := os.Args[1], os.Args[2], os.Args[3]
	total, err := strconv.Atoi(os.Args[4])
	check(err)
	check(os.MkdirAll(to, 0o755))
	check(os.MkdirAll(raw, 0o755))
	files, err := os.ReadDir(from)
	check(err)
	write := func(name string, in []byte) {
		check(os.WriteFile(filepath.Join(to, name), fmt.Appendf(nil, "go test fuzz v1\n[]byte(%q)\n", in), 0o644))
		check(os.WriteFile(filepath.Join(raw, name), in, 0o644))
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(from, f.Name()))
		check(err)
		in, err := fuzzfile.Bytes(text)
		check(err)
		write(f.Name(), in)
	}
	r := rand.New(rand.NewPCG(12, 0))
	for i := len(files); i < total; i++ {
		in := make([]byte, r.IntN(256))
		for k := range in {
			in[k] = byte(r.Uint32())
		}
		write(fmt.Sprintf("random-%04d", i), in)
	}
	fmt.Printf("%s: %d interesting, filled up to %d\n", filepath.Base(to), len(files), max(total, len(files)))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
status=0
for target in FuzzUpdate FuzzInPlace; do
  go run "$tmp/fill.go" "$fuzzed/$target" "$tmp/full/$target" "$tmp/raw/$target" "$total"
  start=$SECONDS
  time "$tmp/slidefuzz" corpus distil --cover --fuzz "./fuzz.$target" -o "$tmp/few/$target" "$tmp/full/$target" || status=1
  took=$((SECONDS - start))
  echo "$target: distilled in $took s"
  ((took <= limit)) || status=1
done

if ! command -v clang >/dev/null; then
  echo "libFuzzer: no clang here"
  exit $status
fi
# In a copy: the builder wants the target in no _test.go file and itself in go.mod.
mkdir -p "$tmp/module/fuzzlib"
git archive HEAD | tar x -C "$tmp/module"
# Its testing.T is no testing.TB and has no Context, which props.Fail and FuzzUpdate
# use; the cases that run are the same.
cat >"$tmp/module/fuzzlib/fuzz.go" <<'GO'
package fuzzlib

import (
	"context"
	"testing"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/props/hunt"
)

func FuzzUpdate(f *testing.F) {
	r := hunt.Local()
	f.Fuzz(func(t *testing.T, in []byte) {
		d, err := r.One(context.Background(), corpus.Decode(in))
		if d != nil || err != nil {
			t.Fatal(d, err)
		}
	})
}
GO
GOBIN=$tmp go install "$fuzz_build"
(
  cd "$tmp/module"
  go get "${fuzz_build/@//testing@}"
  "$tmp/go-118-fuzz-build" -o fuzz.a -func FuzzUpdate github.com/slidefuzz/slidefuzz/fuzzlib
  clang -fsanitize=fuzzer fuzz.a -o fuzzer
) >"$tmp/log" 2>&1 || { echo "libFuzzer: the target does not build:"; tail -n 5 "$tmp/log"; exit 1; }
mkdir "$tmp/merged"
start=$SECONDS
time "$tmp/module/fuzzer" -merge=1 "$tmp/merged" "$tmp/raw/FuzzUpdate" >"$tmp/log" 2>&1 || { tail -n 5 "$tmp/log"; exit 1; }
grep MERGE-OUTER "$tmp/log" | tail -n 1
echo "libFuzzer -merge=1: $(find "$tmp/merged" -type f | wc -l) inputs, $(cat "$tmp/merged"/* | wc -c) bytes, in $((SECONDS - start)) s"
# What its choice covers by Go's counters.
mkdir "$tmp/again"
for f in "$tmp/merged"/*; do
  { echo 'go test fuzz v1'; printf '[]byte("%s")\n' "$(od -An -v -tx1 "$f" | tr -d '\n' | sed 's/ /\\x/g')"; } >"$tmp/again/$(basename "$f")"
done
echo "of libFuzzer's choice:"
"$tmp/slidefuzz" corpus distil --cover --fuzz ./fuzz.FuzzUpdate -o "$tmp/few/merged" "$tmp/again"
exit $status

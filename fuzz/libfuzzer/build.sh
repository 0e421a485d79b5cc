#!/usr/bin/env bash
# Builds the native fuzz targets as libFuzzer binaries: fuzz/libfuzzer/build.sh DIR
# leaves DIR/FuzzNAME for each, DIR/FuzzNAME_seed_corpus.zip and the dictionary of the
# case format. It needs Go, clang and zip. In the images of ClusterFuzzLite and OSS-Fuzz,
# which set CXX, CXXFLAGS and LIB_FUZZING_ENGINE, it takes theirs.
#
# It does what go-118-fuzz-build does (an archive in C with Go's instrumentation for
# libFuzzer, linked by clang), with a T that is a testing.TB: that of its newest commit,
# a70c2aa677fa, is none.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:?usage: fuzz/libfuzzer/build.sh DIR}
mkdir -p "$out"
out=$(cd "$out" && pwd)
engine=${LIB_FUZZING_ENGINE:--fsanitize=fuzzer}
link=${CXX:-clang}

# The targets as a package that is no test, beside the module's others, and with them a
# copy of package props, to which FuzzBug hands its F: T must be ours there too.
work=$(mktemp -d ./fuzz/libfuzzer/_build.XXXXXX)
trap 'rm -rf "$work"' EXIT
module=github.com/slidefuzz/slidefuzz
ours() {
  sed -e 's/^package fuzz$/package main/' \
      -e "s|^\t\"testing\"\$|\t\"$module/fuzz/libfuzzer/testing\"|" \
      -e "s|^\t\"$module/props\"\$|\t\"$module/${work#./}/props\"|" "$1"
}
mkdir "$work/props"
for file in props/*.go; do
  [[ $file = *_test.go ]] || ours "$file" > "$work/$file"
done
# A planted bug is there to be found: it is no target for ClusterFuzzLite and OSS-Fuzz.
sources=(fuzz/fuzz_test.go)
[ -n "${LIB_FUZZING_ENGINE:-}" ] || sources+=(fuzz/bug_test.go)
for file in "${sources[@]}"; do
  ours "$file" > "$work/$(basename "$file" _test.go).go"
done
targets=$(sed -n 's/^func \(Fuzz[A-Za-z]*\)(f \*testing\.F).*/\1/p' "${sources[@]}")
for target in $targets; do
  sed -e "s/FuzzTARGET/$target/" fuzz/libfuzzer/main.go.txt > "$work/main.go"
  go build -tags libfuzzer -buildmode c-archive -trimpath \
    -gcflags 'all=-d=libfuzzer' -gcflags 'runtime/cgo=-d=libfuzzer=0' -gcflags 'runtime/pprof=-d=libfuzzer=0' -gcflags 'syscall=-d=libfuzzer=0' \
    -o "$work/$target.a" "$work"
  # shellcheck disable=SC2086 # both are lists of flags
  "$link" ${CXXFLAGS:-} $engine "$work/$target.a" -o "$out/$target"
  # Its seeds: those of the code, and those that Go keeps.
  seeds="$work/seeds/$target"
  mkdir -p "$seeds"
  # FuzzBug has the same seeds for any cache in Go.
  SLIDEFUZZ_BUG=go/ring-wraps-early SLIDEFUZZ_WRITE_SEEDS="$seeds" "$out/$target" -runs=0 > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
  if [ -d "fuzz/testdata/fuzz/$target" ]; then
    go run ./cmd/slidefuzz corpus export --to libfuzzer -o "$seeds" "fuzz/testdata/fuzz/$target" > "$work/log"
  fi
  if command -v zip > /dev/null && [ -n "$(ls -A "$seeds")" ]; then
    rm -f "$out/${target}_seed_corpus.zip"
    zip -qj "$out/${target}_seed_corpus.zip" "$seeds"/*
  fi
done
cp fuzz/libfuzzer/case.dict "$out/FuzzCase.dict"

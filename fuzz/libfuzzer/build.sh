#!/usr/bin/env bash
# Builds the native fuzz targets as libFuzzer binaries: fuzz/libfuzzer/build.sh DIR
# leaves DIR/FuzzNAME for each, DIR/FuzzNAME_seed_corpus.zip and the dictionary of the
# case format. It needs Go, clang and zip. In the images of ClusterFuzzLite and OSS-Fuzz,
# which set CXX and LIB_FUZZING_ENGINE, it takes theirs.
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

# The targets as a package that is no test, beside the module's others.
work=$(mktemp -d ./fuzz/libfuzzer/build.XXXXXX)
trap 'rm -rf "$work"' EXIT
sed -e 's/^package fuzz$/package main/' \
    -e 's|^\t"testing"$|\t"github.com/slidefuzz/slidefuzz/fuzz/libfuzzer/testing"|' \
    fuzz/fuzz_test.go > "$work/targets.go"
targets=$(sed -n 's/^func \(Fuzz[A-Za-z]*\)(f \*testing\.F).*/\1/p' fuzz/fuzz_test.go)
for target in $targets; do
  sed -e "s/FuzzTARGET/$target/" fuzz/libfuzzer/main.go.txt > "$work/main.go"
  go build -tags libfuzzer -buildmode c-archive -trimpath \
    -gcflags 'all=-d=libfuzzer' -gcflags 'runtime/cgo=-d=libfuzzer=0' -gcflags 'runtime/pprof=-d=libfuzzer=0' -gcflags 'syscall=-d=libfuzzer=0' \
    -o "$work/$target.a" "$work"
  "$link" $engine "$work/$target.a" -o "$out/$target"
  # Its seeds: those of the code, and those that Go keeps.
  seeds="$work/seeds/$target"
  mkdir -p "$seeds"
  SLIDEFUZZ_WRITE_SEEDS="$seeds" "$out/$target" -runs=0 > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
  if [ -d "fuzz/testdata/fuzz/$target" ]; then
    go run ./fuzz/libfuzzer/convert "fuzz/testdata/fuzz/$target" "$seeds"
  fi
  if command -v zip > /dev/null && [ -n "$(ls -A "$seeds")" ]; then
    rm -f "$out/${target}_seed_corpus.zip"
    zip -qj "$out/${target}_seed_corpus.zip" "$seeds"/*
  fi
done
cp fuzz/libfuzzer/case.dict "$out/FuzzCase.dict"

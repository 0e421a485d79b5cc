#!/usr/bin/env bash
# Builds Ollama's server, of the newest version that has an engine of its own, and prints
# its path, which lies outside the repository, under $SLIDEFUZZ_CACHE (default
# ~/.cache/slidefuzz). It wants Go, a C++ compiler and pip, and once some 13 minutes of one
# core.
set -euo pipefail
version=0.24.0
# Its module lacks the headers of llama.cpp's folder vendor, as Go leaves folders of that
# name out of modules: llama-cpp-python's source has them.
headers=llama-cpp-python==0.3.36
sum=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
root=${SLIDEFUZZ_CACHE:-$HOME/.cache/slidefuzz}/ollama-server-$version
if [[ ! -x $root/ollama ]]; then
  echo "building ollama $version in $root" >&2
  mkdir -p "$root/download" "$root/vendor"
  pip download -q --disable-pip-version-check --no-deps --no-binary llama-cpp-python -d "$root/download" "$headers" >&2
  echo "$sum  $(echo "$root"/download/*.tar.gz)" | sha256sum --quiet -c >&2
  tar xzf "$root"/download/*.tar.gz -C "$root/vendor" --strip-components=4 --wildcards '*/vendor/llama.cpp/vendor/*'
  rm -r "$root/download"
  CGO_ENABLED=1 CGO_CPPFLAGS="-I$root/vendor" CGO_CFLAGS=-O2 CGO_CXXFLAGS=-O2 GOBIN=$root \
    go install -ldflags "-s -w -X github.com/ollama/ollama/version.Version=$version" "github.com/ollama/ollama@v$version" >&2
fi
echo "$root/ollama"

#!/usr/bin/env bash
# Builds the worker and prints its path, which lies outside the repository, under
# $SLIDEFUZZ_CACHE (default ~/.cache/slidefuzz).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=${SLIDEFUZZ_CACHE:-$HOME/.cache/slidefuzz}/ollama
mkdir -p "$root"
(cd "$here" && CGO_ENABLED=0 go build -o "$root/ollama" .)
echo "$root/ollama"

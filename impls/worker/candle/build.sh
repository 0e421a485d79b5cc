#!/usr/bin/env bash
# Builds the worker and prints its path, which lies outside the repository, under
# $SLIDEFUZZ_CACHE (default ~/.cache/slidefuzz).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export CARGO_TARGET_DIR=${SLIDEFUZZ_CACHE:-$HOME/.cache/slidefuzz}/candle
cargo build --release --locked --quiet --manifest-path "$here/Cargo.toml" >&2
echo "$CARGO_TARGET_DIR/release/slidefuzz-candle"

#!/usr/bin/env bash
# Hunts in the variants of transformers, more than 10,000 steps in all, one after the
# other, each on one thread:
#
#   transformers.sh [flags of slidefuzz hunt]
#
# Prints what each hunt says, and how long it took. Exits with 1 if one ended with
# anything else than 0. What is compiled has one checkpoint: that takes minutes. VARIANTS
# names the groups that are run: caches, others, compiled.
set -uo pipefail
cd "$(dirname "$0")/../.."
export OMP_NUM_THREADS=1
given=("$@")
failed=0
if [ -z "${SLIDEFUZZ:-}" ]; then
  built=$(mktemp -d)
  trap 'rm -rf "$built"' EXIT
  go build -o "$built/slidefuzz" ./cmd/slidefuzz || exit
  export SLIDEFUZZ=$built/slidefuzz
fi

# hunt STEPS NAME DRIVER_FLAGS [flags]: one variant.
hunt() {
  local steps=$1 name=$2 from=$SECONDS
  export DRIVER_FLAGS=$3
  shift 3
  impls/engine/hunt.sh "$name" --kind visible --seed 1 --steps "$steps" "$@" ${given[@]+"${given[@]}"} || failed=1
  echo "$name $DRIVER_FLAGS: $((SECONDS - from)) s"
}

caches() {
  for cache in dynamic static hybrid; do
    for attention in eager sdpa; do
      hunt 1100 transformers "--cache $cache --attention $attention"
    done
  done
}
others() {
  hunt 500 transformers "--cache recording"
  hunt 500 transformers "--attention flash"
  # Compiled, flex attention fails on a CPU at its second shape: docs/findings.md.
  TORCHDYNAMO_DISABLE=1 hunt 500 transformers "--attention flex"
  hunt 500 generate ""
  hunt 500 generate "--beams 3"
  hunt 500 generate "--cache static --beams 3"
  hunt 500 generate "--assisted"
}
compiled() {
  hunt 200 generate "--cache static --compile" --window 8 --arch gemma3 --dtype F32 --timeout 9m
}
for group in ${VARIANTS:-caches others compiled}; do $group; done
exit $failed

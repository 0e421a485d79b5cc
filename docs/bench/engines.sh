#!/usr/bin/env bash
# Steps a second of engines in Python, and what part of the processor's time is slidefuzz's:
#
#   engines.sh TIME NAME…     as engines.sh 40s transformers ctranslate2 vllm
#
# NAME is one of impls/engine/hunt.sh. Prints of each what the hunt says, and the
# processor's time of the engine's process, of which its start, measured by a hunt of one
# case, and of slidefuzz. Needs a machine with nothing else to do. SLIDEFUZZ may name a
# program that is built already.
set -euo pipefail
cd "$(dirname "$0")/../.."
time=$1
shift
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
if [ -z "${SLIDEFUZZ:-}" ]; then
  go build -o "$out/slidefuzz" ./cmd/slidefuzz
  export SLIDEFUZZ=$out/slidefuzz
fi
export OMP_NUM_THREADS=1

# ticks PID: how long a process has had the processor, user and system, in 1/100 s, of
# which Linux has 100 a second.
ticks() {
  local line fields
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  read -ra fields <<<"${line##*) }"
  echo $((fields[11] + fields[12]))
}
# hunt [flags]: sets engine and own to what the two processes took, as far as they were
# seen: the engine is killed at the end, so that both are looked at 5 times a second.
hunt() {
  "$SLIDEFUZZ" hunt --exec "$interpreter impls/worker/python/$driver.py $flags" --kind visible --seed 1 --timeout 9m "$@" >"$out/said" &
  local hunt=$! child='' now
  engine=0 own=0
  while now=$(ticks $hunt); do
    own=$now
    [ -n "$child" ] || child=$(pgrep -P $hunt || true)
    if [ -n "$child" ] && now=$(ticks "$child"); then engine=$now; fi
    sleep 0.2
  done
  wait $hunt
}
export PYTHONPATH=impls/worker/python
for name in "$@"; do
  flags=
  case $name in
  transformers) requirements=transformers.txt driver=transformers_model ;;
  generate) requirements=transformers.txt driver=transformers_generate ;;
  ctranslate2) requirements=engines.txt driver=ctranslate2_model flags='--split --rotary-bases' ;;
  vllm) requirements=vllm.txt driver=vllm_model ;;
  *) echo "no engine is called $name" >&2 && exit 2 ;;
  esac
  interpreter=$(impls/worker/python/install.sh "$requirements")
  hunt --cases 1
  start=$engine
  hunt --time "$time"
  cat "$out/said"
  awk "BEGIN { printf \"$name: %.2f s of the processor in the engine, %.2f s of them to start and for one case; %.2f s in slidefuzz\n\", $engine / 100, $start / 100, $own / 100 }"
done

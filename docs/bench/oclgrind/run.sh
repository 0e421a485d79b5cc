#!/usr/bin/env bash
# Times Oclgrind's race detection on shift.cl, 65,536 cells, one thread: wall
# seconds of three runs, start and compilation of the kernel included, as a
# line of JSON.
#
# The settings are the fastest for Oclgrind that still find the race; see
# "max-errors" and "local size" below, both measured with `run.sh --settings`.
#   local size: with work-groups of one Oclgrind merges its state once a
#     work-item, which takes it far longer than groups of 1024.
#   max-errors: Oclgrind goes on looking when it stops printing, so 1 leaves
#     out the cost of printing only.
set -euo pipefail
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp shift.cl "$tmp"

# seconds LOCAL_SIZE MAX_ERRORS
seconds() {
  sed "4s/.*/$1 1 1/" shift.sim >"$tmp/shift.sim"
  local start end
  start=$(date +%s%N)
  (cd "$tmp" && OCLGRIND_NUM_THREADS=1 oclgrind-kernel --data-races --num-threads 1 \
    --max-errors "$2" shift.sim) >"$tmp/out" 2>&1
  end=$(date +%s%N)
  if ! grep -q 'data race' "$tmp/out"; then
    echo "Oclgrind reported no race:" >&2
    head -20 "$tmp/out" >&2
    return 1
  fi
  awk -v ns=$((end - start)) 'BEGIN { printf "%.3f\n", ns / 1e9 }'
}

if [[ ${1-} == --settings ]]; then
  for local_size in 64 1024 1; do
    for max in 1 1000 100000; do
      s=$(seconds "$local_size" "$max")
      echo "local size $local_size, max-errors $max: $s s, $(grep -c 'data race' "$tmp/out") printed"
    done
  done
  exit
fi
for _ in 1 2 3; do seconds 1024 1; done >"$tmp/times"
sort -n "$tmp/times" | awk '{ t[NR] = $1 } END {
  printf "{\"cells\":65536,\"min\":%s,\"median\":%s,\"max\":%s}\n", t[1], t[2], t[3] }'

#!/usr/bin/env bash
# How often the race of pytorch#159855 shows: one decode of cat/drop-war after
# a prefill of the whole window, rows of 256 F32, 1024 cells a block, for
# windows of 8 rows (8 KiB, two blocks) and more. 100 runs each, in the device's
# own order and in descending order.
#
#   chance.sh DEVICE SLIDEFUZZ >chance-WHERE.csv
set -euo pipefail
device=$1 slidefuzz=$2
case=$(mktemp)
trap 'rm -f "$case"' EXIT
echo "device,order,rows,bytes,wrong,runs,least,most,different"
for order in native descending; do
  for rows in 8 16 32 64 128 256 512 1024 2048 4096 8192 16384; do
    cat >"$case" <<TEXT
slidefuzz case v1
shape batch=1 heads=1 window=$rows dim=256 dtype=F32 layout=heads-first
target cat/drop-war/$device
block 1024
schedule $order
append $rows
append 1
TEXT
    text=$("$slidefuzz" replay --times 100 "$case") || (($? == 1))
    if [[ $text =~ wrong\ in\ ([0-9]+)\ of\ ([0-9]+)\ runs?,\ ([0-9]+)(\ to\ ([0-9]+))?\ cells,\ ([0-9]+)\ different ]]; then
      found="${BASH_REMATCH[1]},${BASH_REMATCH[2]},${BASH_REMATCH[3]},${BASH_REMATCH[5]:-${BASH_REMATCH[3]}},${BASH_REMATCH[6]}"
    elif [[ $text =~ \(([0-9]+)\ of\ ([0-9]+)\ runs\ diverged\) ]]; then
      found="${BASH_REMATCH[1]},${BASH_REMATCH[2]},,,"
    else
      echo "not understood: $text" >&2
      exit 1
    fi
    echo "$device,$order,$rows,$((rows * 1024)),$found"
  done
done

#!/usr/bin/env bash
# What docs/devices.md tells of one device, but for the chance of a race (see
# chance.sh), into a folder:
#
#   run.sh DEVICE SLIDEFUZZ OUT
set -uo pipefail
device=$1 slidefuzz=$2 out=$3
mkdir -p "$out"
"$slidefuzz" doctor >"$out/doctor-$device.txt"
cases=2000
[[ $device == cuda-graph ]] && cases=500 # a launch a step, and none shared
"$slidefuzz" hunt --device "$device" --seed 1 --cases $cases >"$out/hunt-$device.txt" 2>/dev/null
echo "hunt: exit $?"
if [[ $device != cuda-graph ]]; then
  for update in cat roll; do
    printf '%s\n' 'slidefuzz case v1' 'shape batch=1 heads=1 window=2 dim=1 dtype=U8 layout=heads-first' \
      "target $update/drop-war/$device" 'block 1' 'schedule 1' 'append 2' 'append 1' 'expect op=2 tensor=keys hazard=WAR' |
      "$slidefuzz" replay --times 100 -
  done >"$out/minimal-$device.txt"
fi
"$slidefuzz" hunt --device "$device" --seed 1 --memory 1GiB issue-159855 >"$out/issue-$device.txt" 2>/dev/null
echo "issue-159855: exit $?"
tail -n 1 "$out"/*"-$device".txt

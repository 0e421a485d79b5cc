#!/usr/bin/env bash
# Hunts in the kernels of this folder and writes what was said to $OUT (default out):
#
#   docs/kernels/run.sh cuda triton
#   PYTHON=/usr/bin/python3 docs/kernels/run.sh opencl
#
# On a machine with a GPU it says first which GPU and which packages.
# The racing kernel must be caught, shrunk to two blocks and fail in 100 of 100 runs of
# that; the mended one must be silent in 2,000 cases. $SLIDEFUZZ is the program (default
# ./slidefuzz: go build -o slidefuzz ./cmd/slidefuzz). At most 200 seconds for each kernel.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
slidefuzz=${SLIDEFUZZ:-./slidefuzz} python=${PYTHON:-python3} out=${OUT:-out}
mkdir -p "$out"
status=0

# wants STATUS NAME COMMAND… runs a command, keeps what it prints, and says how it ended.
wants() {
  local want=$1 name=$2 got start
  shift 2
  start=$(date +%s)
  timeout 200 "$@" >"$out/$name.txt" 2>"$out/$name.err"
  got=$?
  sed -i "s|$out/||g" "$out/$name.txt" # so that it may be kept elsewhere
  echo "$name: exit status $got, want $want, $(($(date +%s) - start)) s" | tee -a "$out/summary.txt"
  cat "$out/$name.txt"
  [ "$got" = "$want" ] && return
  status=1
  tail -n 20 "$out/$name.err"
}

: >"$out/summary.txt"
if command -v nvidia-smi >/dev/null; then
  nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | tee -a "$out/summary.txt"
  for package in cupy triton torch; do
    "$python" -c "import $package; print('$package', $package.__version__)" 2>/dev/null | tee -a "$out/summary.txt"
  done
fi
for kind in "$@"; do
  racing="$python docs/kernels/shift_$kind.py racing" mended="$python docs/kernels/shift_$kind.py mended"
  wants 0 "$kind-check" "$slidefuzz" worker check -- $racing
  wants 1 "$kind-racing" "$slidefuzz" hunt --exec "$racing" --seed 1 --cases 200 --shrink-time 60s -o "$out/$kind-reports"
  for case in "$out/$kind-reports"/*/case.txt; do
    cp "$case" "$out/$kind-case.txt"
    if ! grep -qx 'schedule 1' "$case"; then
      echo "$case: not shrunk to block 1 first"
      status=1
    fi
  done
  wants 0 "$kind-replay" "$slidefuzz" replay --exec "$racing" --times 100 "$out/$kind-case.txt"
  wants 0 "$kind-mended" "$slidefuzz" hunt --exec "$mended" --seed 1 --cases 2000
done
exit $status

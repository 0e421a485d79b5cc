#!/usr/bin/env bash
# The parts of the findings that need an NVIDIA GPU and its PyTorch, each under
# ten minutes; Go is not needed where they run:
#
#   CGO_ENABLED=0 go build -o slidefuzz ./cmd/slidefuzz
#   docs/findings/gpu.sh steps|programs|known OUT
set -uo pipefail
cd "$(dirname "$0")/../.."
part=$1 out=$2
python=${PYTHON:-python3}
workers=impls/worker/python
mkdir -p "$out"
nvidia-smi >"$out/nvidia-smi.txt"
case $part in
steps) # each compiled configuration, 2,000 steps at the report's size
  "$python" $workers/torch_steps.py --device cuda --steps 2000 2>"$out/steps.err" | tee "$out/steps.txt"
  ;;
programs) # the hunt for the next #159855
  ./slidefuzz hunt --exec "'$python' $workers/torch_programs.py --device cuda" --seed 1 --time 8m --shrink-time 60s --out "$out/reports" 2>"$out/programs.err" | tee "$out/programs.txt"
  ;;
known) # those of the tracker, at a size that shows them
  for file in docs/findings/torch-gpu/*.txt; do
    ./slidefuzz replay --memory 1GiB --times 20 --exec "'$python' $workers/torch_programs.py --device cuda" "$file"
  done | tee "$out/known.txt"
  ;;
esac

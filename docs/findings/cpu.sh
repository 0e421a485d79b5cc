#!/usr/bin/env bash
# Hunts in every worker on a CPU and keeps what each printed under
# docs/findings/cpu; about two hours on two cores:
#
#   docs/findings/cpu.sh [NAME …]      the parts named, or all
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
out=docs/findings/cpu
mkdir -p "$out"
py=impls/worker/python/hunt.sh

# run NAME COMMAND …: its exit status is part of what is kept.
run() {
  echo "$1" >&2
  { printf '$'; printf ' %q' "${@:2}"; echo; "${@:2}" 2>/dev/null; echo "exit status $?"; } >"$out/$1.txt"
}

torch_eager() {
  for update in shift-index cat roll roll-index; do
    for layout in heads-first tokens-first; do
      run "torch-$update-eager-$layout" $py "torch_cache.py --update $update --layout $layout" --seed 1 --cases 5000
    done
  done
}

# One shape, since each is compiled anew; the prefill is eager, as in the report.
torch_compiled() {
  for consumer in none eager sdpa flex; do
    for update in shift-index cat roll roll-index; do
      run "torch-$update-default-$consumer" $py "torch_cache.py --update $update --mode default --consumer $consumer" \
        --seed 1 --cases 400 --shape batch=2,heads=2,window=16,dim=32,dtype=BF16
    done
  done
  for update in shift-index cat roll roll-index; do
    run "torch-$update-reduce-overhead-sdpa-tokens-first" $py "torch_cache.py --update $update --mode reduce-overhead --consumer sdpa --layout tokens-first" \
      --seed 1 --cases 400 --shape batch=2,heads=2,window=16,dim=32,dtype=F32
  done
}

# The report's size, each step checked by the worker itself.
torch_steps() {
  run torch-steps "$(impls/worker/python/install.sh torch.txt)" impls/worker/python/torch_steps.py --steps 50 --mode default
}

programs() {
  for seed in 1 2; do
    run "programs-seed-$seed" $py "torch_programs.py --grammar 1" --seed $seed --time 8m --shrink-time 60s
  done
}

transformers() {
  for kind in static dynamic recording hybrid; do
    run "transformers-$kind" $py "transformers_cache.py --kind $kind" --seed 1 --cases 20000 --shrink-time 10s
  done
}

# Past what those found.
transformers_past() {
  for kind in static hybrid; do
    run "transformers-$kind-past" $py "transformers_cache.py --kind $kind" --seed 2 --cases 20000 --without odd,empty,select --shrink-time 10s
  done
  for kind in dynamic recording; do
    run "transformers-$kind-past" $py "transformers_cache.py --kind $kind" --seed 2 --cases 20000 --without odd,empty,window-1 --shrink-time 10s
  done
  run transformers-dynamic-unselected $py "transformers_cache.py --kind dynamic" --seed 2 --cases 20000 --without odd,empty,window-1,select --shrink-time 10s
  run transformers-recording-uncropped $py "transformers_cache.py --kind recording" --seed 2 --cases 20000 --without odd,empty,crop,select --shrink-time 10s
}

mlx() {
  for keep in 0 1 4; do
    run "mlx-keep-$keep" $py "mlx_cache.py --keep $keep" --seed 1 --cases 20000 --shrink-time 10s
  done
  for select in filter extend extract; do
    run "mlx-batch-$select" $py "mlx_cache.py --kind batch --select $select" --seed 1 --cases 20000 --shrink-time 10s
  done
  run mlx-keep-0-past $py mlx_cache.py --seed 2 --cases 20000 --without odd,empty --shrink-time 10s
  run mlx-keep-4-past $py "mlx_cache.py --keep 4 --mask rows" --seed 2 --cases 20000 --without odd,empty --shrink-time 10s
  run mlx-batch-extract-past $py "mlx_cache.py --kind batch --select extract" --seed 2 --cases 20000 --without odd,empty,ragged --shrink-time 10s
}

candle() {
  w=impls/worker/candle/hunt.sh
  past=odd,long,crossing
  for judge in mask rows positions; do
    run "candle-$judge" $w "candle --judge $judge" --seed 1 --cases 20000 --without odd
    run "candle-$judge-past" $w "candle --judge $judge" --seed 1 --cases 20000 --without $past
  done
  run candle-clone $w "candle --snapshot clone" --seed 1 --cases 20000 --without $past
  run candle-scattered $w "candle --cache scattered" --seed 1 --cases 20000 --without odd
  # A crop that is refused leaves more tokens than a chunk was drawn to fit beside.
  run candle-scattered-crops $w "candle --cache scattered" --seed 1 --cases 20000 --without $past,exact,empty
  run candle-scattered-past $w "candle --cache scattered" --seed 1 --cases 20000 --without $past,exact,empty,crop
}

ollama() {
  w=impls/worker/ollama/hunt.sh
  run ollama $w ollama --seed 1 --cases 20000
  run ollama-window-1 $w "ollama --size window-1" --seed 1 --cases 20000 --without odd
  run ollama-window-1-batches $w "ollama --size window-1 --batch 3 --snapshots 2" --seed 1 --cases 20000 --without odd
  run ollama-hybrid $w "ollama --size window-1 --hybrid --snapshots 2 --batch 5 --context 2500" --seed 1 --cases 20000 --without odd
}

for part in "${@:-torch_eager torch_compiled torch_steps programs transformers transformers_past mlx candle ollama}"; do
  for p in $part; do $p; done
done

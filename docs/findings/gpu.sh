#!/usr/bin/env bash
# The parts of the findings that need an NVIDIA GPU and its PyTorch, each under
# ten minutes; Go is not needed where they run:
#
#   CGO_ENABLED=0 go build -o slidefuzz ./cmd/slidefuzz
#   docs/findings/gpu.sh steps|updates|programs|known|compilers OUT [flags of what runs]
set -uo pipefail
cd "$(dirname "$0")/../.."
part=$1 out=$2
shift 2
python=${PYTHON:-python3}
workers=impls/worker/python
mkdir -p "$out"
nvidia-smi >"$out/nvidia-smi.txt"
case $part in
steps) # each compiled configuration, 2,000 steps at the report's size
  steps() {
    name=$1
    shift
    "$python" $workers/torch_steps.py --device cuda --steps 2000 "$@" >"$out/steps-$name.txt" 2>"$out/steps-$name.err"
  }
  # Three at once: compiling takes processors, not the GPU.
  steps heads-first --mode eager default reduce-overhead "$@" &
  steps tokens-first --layout tokens-first "$@" &
  # As many cells in one lane, where a slice of rows is contiguous.
  steps one-lane --batch 1 --heads 1 --window 32768 --consumer sdpa none "$@" &
  wait
  cat "$out"/steps-*.txt
  ;;
updates) # random prefills, resets and odd chunks through the protocol, at small shapes
  hunt() {
    name=$1
    cases=$2
    ./slidefuzz hunt --exec "'$python' $workers/torch_cache.py --device cuda $3" --seed 1 $cases >"$out/$name.txt" 2>"$out/$name.err"
    echo "exit status $?" >>"$out/$name.txt"
  }
  # background COMMAND …: six at once, since each compiles.
  background() {
    while [ "$(jobs -rp | wc -l)" -ge 6 ]; do wait -n; done
    "$@" &
  }
  # One shape where each is compiled anew.
  one="--cases 400 --shape batch=2,heads=2,window=16,dim=32,dtype=BF16"
  for update in shift-index cat roll roll-index; do
    for layout in heads-first tokens-first; do
      background hunt "$update-eager-$layout" "--cases 2000" "--update $update --layout $layout"
    done
    for mode in default reduce-overhead; do
      for consumer in none eager sdpa flex; do
        background hunt "$update-$mode-$consumer" "$one" "--update $update --mode $mode --consumer $consumer"
      done
      background hunt "$update-$mode-sdpa-tokens-first" "$one" "--update $update --mode $mode --consumer sdpa --layout tokens-first"
    done
  done
  wait
  grep -H 'exit status' "$out"/*.txt
  ;;
programs) # the hunt for the next #159855
  ./slidefuzz hunt --exec "'$python' $workers/torch_programs.py --device cuda --grammar 1" --shrink-time 60s -o "$out/reports" "$@" 2>"$out/programs.err" | tee "$out/programs.txt"
  ;;
compilers) # random programs in four compilers at once, five minutes each, and shrinking
  # JAX takes most of the memory when it starts unless told otherwise.
  export XLA_PYTHON_CLIENT_PREALLOCATE=false TORCHINDUCTOR_COMPILE_THREADS=2
  hunt() {
    name=$1 jobs=$2
    shift 2
    # --time leaves shrinking out, and the machine is lent for minutes.
    timeout -s INT 440 ./slidefuzz hunt --exec "'$python' $workers/$*" --seed 1 --jobs "$jobs" --time 5m --timeout 4m --shrink-time 30s --memory 1GiB -o "$out/$name" >"$out/$name.txt" 2>"$out/$name.err"
    echo "exit status $?" >>"$out/$name.txt"
  }
  # ONLY=cuda runs one of them.
  for part in ${ONLY:-torch jax cupy cuda}; do
    case $part in
    torch) hunt torch 4 torch_programs.py --device cuda --grammar 1 & ;;
    jax) hunt jax 4 jax_programs.py & ;;
    cupy) hunt cupy 1 cupy_programs.py & ;;
    cuda) hunt cuda 2 cuda_programs.py & ;;
    esac
  done
  wait
  for name in ${ONLY:-torch jax cupy cuda}; do
    echo "== $name"
    tail -n 40 "$out/$name.txt"
    tail -n 3 "$out/$name.err"
  done
  ;;
known) # those of the tracker, at a size that shows them
  for file in docs/findings/torch-gpu/*.txt; do
    echo "$file"
    ./slidefuzz replay --memory 1GiB --times 20 --exec "'$python' $workers/torch_programs.py --device cuda" "$@" "$file" 2>>"$out/known.err"
  done | tee "$out/known.txt"
  ;;
esac

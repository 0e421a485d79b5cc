#!/usr/bin/env bash
# How many programs a second N workers of one core each run, compared with one worker
# held to one core. Go is not needed where it runs:
#
#   CGO_ENABLED=0 go build -o slidefuzz ./cmd/slidefuzz
#   docs/findings/throughput.sh N SECONDS OUT [torch|jax …]
#
# PYTHON is the Python of both, or TORCH_PYTHON and JAX_PYTHON of each; SEED is that of the
# programs (default 1). JOBS="1" or JOBS="N" runs one of the two. The programs are compiled
# for the CPU. Both run as many SECONDS, so that a worker among N is as warm as the one. What
# counts is programs by the time that the workers spent on them, times the workers; the start
# of the workers, shrinking, and what is left to do when most of them are done, is in the
# programs by the time on the clock, which stand beside it.
# "taskset -c 14,15" before it keeps both to those cores: the one job has the first of them.
set -uo pipefail
cd "$(dirname "$0")/../.."
n=$1 seconds=$2 out=$3
shift 3
workers=$PWD/impls/worker/python
python=${PYTHON:-python3}
mkdir -p "$out"
core=$(taskset -cp $$ | sed -E 's/^.*: *([0-9]+).*$/\1/')
export OMP_NUM_THREADS=1 TORCHINDUCTOR_COMPILE_THREADS=1 JAX_PLATFORMS=cpu CUDA_VISIBLE_DEVICES=
export XLA_FLAGS="--xla_backend_optimization_level=0 --xla_cpu_multi_thread_eigen=false --xla_cpu_parallel_codegen_split_count=1"

# rate NAME JOBS COMMAND: runs a hunt and prints programs, by the worker's time, by the clock.
rate() {
  local file=$out/$1.txt from=$SECONDS
  # No cache of what was compiled before.
  TORCHINDUCTOR_CACHE_DIR=$(mktemp -d) TORCHINDUCTOR_FORCE_DISABLE_CACHES=1 \
    ${TASKSET:-} ./slidefuzz hunt --exec "$3" --seed "${SEED:-1}" --jobs "$2" --time "${seconds}s" --timeout 5m --shrink-time 1s >"$file" 2>"${file%.txt}.err"
  read -r programs each <<<"$(sed -nE 's/^.* ([0-9]+) programs, .* ([0-9.e+-]+) a second.*$/\1 \2/p' "$file")"
  awk -v p="${programs:-0}" -v each="${each:-0}" -v jobs="$2" -v wall=$((SECONDS - from)) 'BEGIN { printf("%d %.3f %.3f\n", p, each * jobs, p / wall) }'
}
for which in "${@:-torch jax}"; do
  for one in $which; do
    case $one in
    torch) command="'${TORCH_PYTHON:-$python}' '$workers/torch_programs.py' --at-once 2" ;;
    jax) command="'${JAX_PYTHON:-$python}' '$workers/jax_programs.py' --variants jit" ;;
    esac
    # The first start reads gigabytes from the disk.
    ./slidefuzz hunt --exec "$command" --seed 1 --jobs 1 --cases 1 --timeout 5m >/dev/null 2>&1
    r1=
    for jobs in ${JOBS:-1 $n}; do
      read -r p r w <<<"$(TASKSET=$([ "$jobs" = 1 ] && echo "taskset -c $core") rate "$one-$jobs" "$jobs" "$command")"
      echo "$one, jobs: $jobs, each one core: $p programs, $r a second ($w by the clock)$(awk -v a="$r" -v b="$r1" -v n="$jobs" 'BEGIN { if (b > 0) printf("; that is %.2f x %d", a / b / n, n) }')"
      r1=${r1:-$r}
    done
  done
done | tee "$out/throughput.txt"

#!/usr/bin/env bash
# Installs what a worker needs and hunts in it:
#
#   hunt.sh 'torch_cache.py --update cat --mode default' [flags of slidefuzz hunt]
#
# TORCH=torch215 hunts in PyTorch 2.15 instead of 2.11. SLIDEFUZZ_PYTHON names another Python
# than python3, which PyTensor wants where that is older than 3.12. SLIDEFUZZ may name a program
# that is built already.
set -euo pipefail
if [[ $# == 0 || $1 == -h || $1 == --help ]]; then
  echo "usage: hunt.sh 'WORKER [its flags]' [flags of slidefuzz hunt]; WORKER is a file of impls/worker/python, as torch_programs.py or jax_programs.py" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
worker=$1
shift
case $worker in
torch_*) requirements=${TORCH:-torch}.txt ;;
transformers_*) requirements=transformers.txt ;;
mlx_*) requirements=mlx.txt ;;
cuda_* | cupy_* | jax_* | numba_* | numpy_* | onnx_* | paddle_* | pytensor_* | tinygrad_*) requirements=${worker%%_*}.txt ;;
*) echo "no requirements are known for $worker" >&2 && exit 2 ;;
esac
python=$("$here/install.sh" "$requirements")
cd "$here/../../.."
exec ${SLIDEFUZZ:-go run ./cmd/slidefuzz} hunt --exec "'$python' '$here'/$worker" "$@"

#!/usr/bin/env bash
# Installs what a worker needs and hunts in it:
#
#   hunt.sh 'torch_cache.py --update cat --mode default' [flags of slidefuzz hunt]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
worker=$1
shift
case $worker in
torch_*) requirements=torch.txt ;;
transformers_*) requirements=transformers.txt ;;
mlx_*) requirements=mlx.txt ;;
jax_* | numba_* | numpy_* | onnx_* | tinygrad_*) requirements=${worker%%_*}.txt ;;
*) echo "no requirements are known for $worker" >&2 && exit 2 ;;
esac
python=$("$here/install.sh" "$requirements")
cd "$here/../../.."
exec go run ./cmd/slidefuzz hunt --exec "'$python' '$here'/$worker" "$@"

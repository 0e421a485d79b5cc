#!/usr/bin/env bash
# Installs an engine and hunts in it:
#
#   hunt.sh transformers|generate|ctranslate2|vllm|mlx-lm [flags of slidefuzz hunt]
#   hunt.sh llama.cpp|ollama|ollama-one-less [flags of slidefuzz hunt]
#
# generate is that of transformers. What varies in the engine is in DRIVER_FLAGS, as
# "--cache static --attention eager"; the driver's --help, or serve.py's, lists it.
# "--ctx-checkpoints 0" leaves out what docs/findings.md has of llama.cpp, and
# "--split --rotary-bases" of CTranslate2.
# ollama-one-less tells Ollama a window of one token less, which leaves out what that page has
# of it; what varies in it is in the environment: OLLAMA_NUM_PARALLEL=4.
# SLIDEFUZZ may name a program that is built already.
set -euo pipefail
if [[ $# == 0 || $1 == -h || $1 == --help ]]; then
  echo "usage: hunt.sh transformers|generate|ctranslate2|vllm|mlx-lm|llama.cpp|ollama|ollama-one-less [flags of slidefuzz hunt]; DRIVER_FLAGS holds those of the driver" >&2
  exit 2
fi
cd "$(dirname "$0")/../.."
python=impls/worker/python
slidefuzz=${SLIDEFUZZ:-go run ./cmd/slidefuzz}
name=$1
shift
case $name in
llama.cpp)
  exec $slidefuzz hunt --engine llama.cpp --exec "'$("$python/install.sh" llamacpp.txt)' impls/engine/llamacpp/serve.py ${DRIVER_FLAGS:-}" "$@" ;;
ollama | ollama-one-less)
  exec $slidefuzz hunt --engine "$name" --exec "'$(impls/engine/ollama/build.sh)' serve" "$@" ;;
transformers) requirements=transformers.txt driver=transformers_model ;;
generate) requirements=transformers.txt driver=transformers_generate ;;
ctranslate2) requirements=engines.txt driver=ctranslate2_model ;;
vllm) requirements=vllm.txt driver=vllm_model ;;
mlx-lm) requirements=mlx.txt driver=mlx_model ;;
*) echo "no engine is called $name" >&2 && exit 2 ;;
esac
export PYTHONPATH=$python
# With --jobs unsaid slidefuzz learns from its hello that it is an engine, and starts it again.
exec $slidefuzz hunt --jobs 1 --exec "'$("$python/install.sh" "$requirements")' $python/$driver.py ${DRIVER_FLAGS:-}" "$@"

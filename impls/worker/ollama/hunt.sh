#!/usr/bin/env bash
# Builds the worker and hunts in it:
#
#   hunt.sh 'ollama [FLAG …]' [flags of slidefuzz hunt]
#
# as in
#
#   hunt.sh ollama --without odd
#   hunt.sh 'ollama --size window-1 --batch 3' --without odd
#
# main.go says what the worker's flags do.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [[ ${1-} != ollama && ${1-} != 'ollama '* ]]; then
  echo "usage: hunt.sh 'ollama [FLAG …]' [flags of slidefuzz hunt]" >&2
  exit 2
fi
flags=${1#ollama}
shift
worker=$("$here/build.sh")
cd "$here/../../.."
exec go run ./cmd/slidefuzz hunt --exec "'$worker'$flags" "$@"

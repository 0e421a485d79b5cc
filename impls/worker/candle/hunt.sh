#!/usr/bin/env bash
# Builds the worker and hunts in it:
#
#   hunt.sh 'candle [FLAG …]' [flags of slidefuzz hunt]
#
# as in
#
#   hunt.sh candle --without odd
#   hunt.sh 'candle --judge positions' --without odd
#   hunt.sh 'candle --cache scattered' --without odd
#
# src/main.rs says what the worker's flags do.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [[ ${1-} != candle && ${1-} != 'candle '* ]]; then
  echo "usage: hunt.sh 'candle [FLAG …]' [flags of slidefuzz hunt]" >&2
  exit 2
fi
flags=${1#candle}
shift
worker=$("$here/build.sh")
cd "$here/../../.."
exec go run ./cmd/slidefuzz hunt --exec "'$worker'$flags" "$@"

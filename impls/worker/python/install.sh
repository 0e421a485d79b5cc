#!/usr/bin/env bash
# Makes the virtual environment of a requirements file and prints its Python:
#
#   install.sh torch.txt
#
# It lies outside the repository, under $SLIDEFUZZ_CACHE (default
# ~/.cache/slidefuzz), named after what it holds, and is made once.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
file=$here/$1
root=${SLIDEFUZZ_CACHE:-$HOME/.cache/slidefuzz}
venv=$root/${1%.txt}-$(sha256sum "$file" | cut -c1-12)
if [[ ! -e $venv/complete ]]; then
  echo "installing $1 into $venv" >&2
  rm -rf "$venv"
  mkdir -p "$root"
  python3 -m venv "$venv" >&2
  "$venv/bin/pip" install -q --disable-pip-version-check -r "$file" >&2
  touch "$venv/complete"
fi
echo "$venv/bin/python"

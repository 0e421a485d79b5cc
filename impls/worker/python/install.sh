#!/usr/bin/env bash
# Makes the virtual environment of a requirements file and prints its Python:
#
#   install.sh torch.txt
#
# What torch.nodeps.txt names, where there is such a file, is installed after it and
# without what it asks for. It lies outside the repository, under $SLIDEFUZZ_CACHE (default
# ~/.cache/slidefuzz), named after what it holds, and is made once. SLIDEFUZZ_PYTHON is the
# Python that it is made with, python3 if not said.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
file=$here/$1
root=${SLIDEFUZZ_CACHE:-$HOME/.cache/slidefuzz}
alone=${file%.txt}.nodeps.txt
[[ -e $alone ]] || alone=/dev/null
# Without SLIDEFUZZ_PYTHON the name stays what it was, so that environments need not be made anew.
venv=$root/${1%.txt}-$({ cat "$file"; [[ ! -s $alone ]] || cat "$alone"; printf %s "${SLIDEFUZZ_PYTHON:-}"; } | sha256sum | cut -c1-12)
if [[ ! -e $venv/complete ]]; then
  echo "installing $1 into $venv" >&2
  rm -rf "$venv"
  mkdir -p "$root"
  "${SLIDEFUZZ_PYTHON:-python3}" -m venv "$venv" >&2
  "$venv/bin/pip" install -q --disable-pip-version-check -r "$file" >&2
  [[ ! -s $alone ]] || "$venv/bin/pip" install -q --disable-pip-version-check --no-deps -r "$alone" >&2
  touch "$venv/complete"
fi
echo "$venv/bin/python"

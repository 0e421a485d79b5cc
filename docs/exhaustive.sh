#!/usr/bin/env bash
# Puts a new table into docs/exhaustive.md: of slidefuzz hunt --exhaustive, which is run,
# some minutes on two cores, or of FILE, what it printed elsewhere.
#
#   docs/exhaustive.sh [FILE]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
table=$(mktemp)
trap 'rm -f "$table"' EXIT
if (($#)); then
  cat "$1" >"$table"
else
  (cd "$here/.." && go run ./cmd/slidefuzz hunt --exhaustive) >"$table"
fi
grep -q 'sound targets agree in every case within the bounds' "$table" || { echo "no whole run of hunt --exhaustive" >&2; exit 1; }
awk -v table="$table" '
  /^```$/ { fence++; print; if (fence == 1) while ((getline line <table) > 0) print line; next }
  fence != 1
' "$here/exhaustive.md" >"$table.md"
mv "$table.md" "$here/exhaustive.md"
tail -n 1 "$table"

#!/usr/bin/env bash
# Hunts in every built-in cache in Go that has a bug planted in it, and in random programs
# under every known-bad lowering, behind the worker protocol, for seeds 1 to 3, and writes
# docs/planted.md; some minutes on two cores. With --lowerings it prints the lines of the
# lowerings alone:
#
#   docs/planted.sh [--lowerings]
set -uo pipefail
cd "$(dirname "$0")/.." || exit
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir/slidefuzz" ./cmd/slidefuzz || exit
PATH=$dir:$PATH
most=10000

# first "TARGET OPTION …" SEED: the case that found the first finding, a tab, and what its
# report says. Most are found within 300 cases; a hunt of more is for the others alone.
first() {
  local cases line
  for cases in 300 $most; do
    line=$(slidefuzz hunt --exec "slidefuzz worker $1" --seed "$2" --cases $cases --shrink-time 2s --json 2>/dev/null | grep -m1 '^{"event":"finding"')
    if [ -n "$line" ]; then
      sed -E 's/.*"at":([0-9]+),.*"divergence":"([^"]*)","op".*/\1\t\2/' <<<"$line"
      return
    fi
  done
  printf 'none in %s\t\n' $most
}

# row NAME "TARGET OPTION …": a line of a table.
row() {
  local one two three
  one=$(first "$2" 1) two=$(first "$2" 2) three=$(first "$2" 3)
  echo "| \`$1\` | ${one%%$'\t'*}, ${two%%$'\t'*}, ${three%%$'\t'*} | ${one#*$'\t'} |"
}

# The order of a worker's blocks is descending: a copy to later rows is right then.
lowerings() {
  local how
  for how in drop-war drop-clone drop-far fuse-index read-early late-return drop-reshaped 'chunk-forward --schedule ascending' 'one-block --block 4'; do
    set -- $how
    echo "$1" >&2
    row "program/$1/sim${2:+ $2 $3}" "program/$1/sim${2:+ $2 $3}"
  done
}

if [ "${1-}" = --lowerings ]; then
  lowerings
  exit
fi

{
  cat <<'END'
# Planted bugs behind the worker protocol

Each sound design of package impls/caches has bugs of real caches planted in it, one at
a time: [bugs.md](bugs.md) says what they are and how soon they are caught in Go. Here is
the number of the case that caught each where the same cache is another process, for seeds
1 to 3, and what the report says of the smallest case of seed 1:

```
slidefuzz hunt --exec 'slidefuzz worker go/NAME' --seed N
```

`docs/planted.sh` writes this page, at COMMIT. Bugs of updates are served too (`slidefuzz worker
TARGET`), and are not hunted here. `sliding-ignores-strides` cannot show there: the rows of
a message are dense.

| bug | caught at case | what the report says |
|---|---|---|
END
  slidefuzz targets --json 'go/*' | grep '"sound":false' | sed -E 's|.*"target":"go/([^"]*)".*|\1|' |
    while read -r name; do
      echo "$name" >&2
      if ! slidefuzz worker "go/$name" </dev/null >/dev/null 2>&1; then
        echo "| \`$name\` | | not served: the protocol has no layers |"
        continue
      fi
      row "$name" "go/$name"
    done
  cat <<'END'

The lowerings, as compilers whose programs a hunt draws (`slidefuzz hunt --exec 'slidefuzz
worker TARGET'`). Two show only in an order or in blocks that the worker is told.

| lowering | caught at case | what the report says |
|---|---|---|
END
  lowerings
} | sed "s/at COMMIT/at $(git rev-parse --short HEAD)/" >"$dir/planted.md" && mv "$dir/planted.md" docs/planted.md

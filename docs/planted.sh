#!/usr/bin/env bash
# Hunts in every built-in cache in Go that has a fault planted in it, behind the Go
# interface and behind the worker protocol, for seeds 1 to 5, and writes
# docs/planted.md; some minutes on two cores:
#
#   docs/planted.sh
set -uo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir/slidefuzz" ./cmd/slidefuzz || exit
PATH=$dir:$PATH
most=20000

# first HUNT …: the case that found the first finding, a tab, and what its report
# says. Most are found within 300 cases; a hunt of more is for the others alone.
first() {
  local cases line
  for cases in 300 $most; do
    line=$(slidefuzz "$@" --cases $cases --shrink-time 10s --json 2>/dev/null | grep -m1 '^{"event":"finding"')
    if [ -n "$line" ]; then
      sed -E 's/.*"at":([0-9]+),.*"divergence":"([^"]*)","op".*/\1\t\2/' <<<"$line"
      return
    fi
  done
  printf 'none in %s\t\n' $most
}

# row NAME REFERENCE: a row of the table, and what the reports of seed 1 say, in files.
row() {
  local name=$1 go=() worker=() seed said
  for seed in 1 2 3 4 5; do
    said=$(first hunt "go/$name" --seed $seed)
    go+=("${said%%$'\t'*}")
    [ $seed = 1 ] && printf '**%s**\n\n- Go: %s\n' "$name" "${said#*$'\t'}" >>"$dir/words"
  done
  if slidefuzz worker "go/$name" </dev/null >/dev/null 2>&1; then
    for seed in 1 2 3 4 5; do
      said=$(first hunt --exec "slidefuzz worker go/$name" --seed $seed)
      worker+=("${said%%$'\t'*}")
      [ $seed = 1 ] && printf -- '- protocol: %s\n' "${said#*$'\t'}" >>"$dir/words"
    done
  else
    worker=("no layers there")
  fi
  echo >>"$dir/words"
  list() { local IFS=,; sed 's/,/, /g' <<<"$*"; }
  echo "| \`$name\` | $2 | $(list "${go[@]}") | $(list "${worker[@]}") |" >>"$dir/table"
  echo "$name" >&2
}

slidefuzz targets --json 'go/*' | grep '"sound":false' |
  sed -E 's|.*"target":"go/([^"]*)".*"about":"([^"]*)".*|\1\t\2|' >"$dir/faults"
while IFS=$'\t' read -r name about; do row "$name" "$about"; done <"$dir/faults"

{
  cat <<'END'
# Faults planted in caches

Each sound design of package impls/caches has faults of real caches planted in it,
one at a time: `slidefuzz targets 'go/*'` lists them. Here is the number of the case
that caught each, for seeds 1 to 5, behind the Go interface and behind the worker
protocol, where the same cache is another process:

```
slidefuzz hunt go/NAME --seed N
slidefuzz hunt --exec 'slidefuzz worker go/NAME' --seed N
```

Draws are another sequence for each target, so that the two columns need not be
alike. `docs/planted.sh` writes this page.

| fault | what it does, and where such a one was seen | Go | protocol |
|---|---|---|---|
END
  cat "$dir/table"
  printf '\nWhat the reports say, each of its smallest case, for seed 1:\n\n'
  sed '$d' "$dir/words"
} >docs/planted.md

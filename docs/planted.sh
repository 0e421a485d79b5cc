#!/usr/bin/env bash
# Hunts in every built-in cache in Go that has a bug planted in it, behind the worker
# protocol, for seeds 1 to 3, and writes docs/planted.md; some minutes on two cores:
#
#   docs/planted.sh
set -uo pipefail
cd "$(dirname "$0")/.." || exit
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir/slidefuzz" ./cmd/slidefuzz || exit
PATH=$dir:$PATH
most=10000

# first NAME SEED: the case that found the first finding, a tab, and what its report
# says. Most are found within 300 cases; a hunt of more is for the others alone.
first() {
  local cases line
  for cases in 300 $most; do
    line=$(slidefuzz hunt --exec "slidefuzz worker go/$1" --seed "$2" --cases $cases --shrink-time 2s --json 2>/dev/null | grep -m1 '^{"event":"finding"')
    if [ -n "$line" ]; then
      sed -E 's/.*"at":([0-9]+),.*"divergence":"([^"]*)","op".*/\1\t\2/' <<<"$line"
      return
    fi
  done
  printf 'none in %s\t\n' $most
}

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

`docs/planted.sh` writes this page. Bugs of lowerings and updates are served too
(`slidefuzz worker TARGET`), and are not hunted here. `sliding-ignores-strides` cannot
show there: the rows of a message are dense.

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
      one=$(first "$name" 1) two=$(first "$name" 2) three=$(first "$name" 3)
      echo "| \`$name\` | ${one%%$'\t'*}, ${two%%$'\t'*}, ${three%%$'\t'*} | ${one#*$'\t'} |"
    done
} >"$dir/planted.md" && mv "$dir/planted.md" docs/planted.md

#!/usr/bin/env bash
# Whether four shards, merged, are the whole hunt: JSON, JUnit and reports of both, times
# aside, byte for byte. Prints a line each for sim, a worker and the reference engine.
#
#   docs/shards/whole.sh [CASES]
#
# CASES is of each target (2000); seed 7. It builds slidefuzz, unless SLIDEFUZZ has one.
# Exit status: 1 where they differ, with the difference on stderr.
set -uo pipefail
cases=${1:-2000}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if [[ -z ${SLIDEFUZZ-} ]]; then
  SLIDEFUZZ=$tmp/slidefuzz
  (cd "$(dirname "$0")/../.." && CGO_ENABLED=0 go build -o "$SLIDEFUZZ" ./cmd/slidefuzz) || exit 2
fi
slidefuzz=$(realpath "$SLIDEFUZZ")

# tell DIR COMMAND …: what a hunt or a merge writes, under DIR and without times. The
# merge stands in the same place, since pages name the command that made them.
tell() {
  local dir=$1
  shift
  mkdir -p "$dir"
  (cd "$dir" && "$slidefuzz" "$@" --json --junit junit.xml -o out >json 2>/dev/null)
  echo "$?" >"$dir/status"
  find "$dir" -type f -exec sed -Ei 's/"(elapsed|after|shrinking|running|waited)":[0-9.e+-]+/"\1":T/g; s/ time="[0-9.]+"/ time="T"/g; s/(after|shrunk in|to its end in) [0-9.]+m?s/\1 T/g; s/; [0-9.]+s\.<\/p>/; T/' {} +
}
rc=0
one() {
  local name=$1 i dirs=()
  shift
  tell "$tmp/$name/whole" hunt "$@" --seed 7 --cases "$cases"
  for i in 1 2 3 4; do
    "$slidefuzz" hunt "$@" --seed 7 --cases "$cases" --shard "$i/4" -o "$tmp/$name/$i" >/dev/null 2>&1
    dirs+=("$tmp/$name/$i")
  done
  tell "$tmp/$name/merged" merge "${dirs[@]}"
  if diff -r "$tmp/$name/whole" "$tmp/$name/merged" >"$tmp/$name.diff" && [[ -s $tmp/$name/whole/json ]]; then
    echo "$name: the same, $(find "$tmp/$name/whole" -type f | wc -l) files, exit status $(cat "$tmp/$name/whole/status")"
  else
    echo "$name: not the same"
    head -n 20 "$tmp/$name.diff" >&2
    rc=1
  fi
}
one sim '*/*/sim'
one worker --exec "$slidefuzz worker go/pages-writes-shared"
one engine --engine reference
exit $rc

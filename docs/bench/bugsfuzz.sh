#!/usr/bin/env bash
# Fuzzes every planted bug with the seeds 1 to 5, without seed inputs and with an empty
# corpus each, until it is caught or 100,000 executions are done, several at once. Prints
# a line a run, "BUG SEED EXECUTIONS" or "BUG SEED missed", and a summary in lines that
# begin with #. slidefuzz bugs --fuzz-results takes all that into the kill matrix.
#
#   docs/bench/bugsfuzz.sh [BUG …] >FILE
#
# It builds two programs, and runs without Go where they are given, as on a larger
# machine; they are linked statically:
#
#   CGO_ENABLED=0 go test -c -fuzz='^FuzzBug$' -o fuzz.test ./fuzz
#   CGO_ENABLED=0 go build -o slidefuzz ./cmd/slidefuzz
#   FUZZ=./fuzz.test SLIDEFUZZ=./slidefuzz docs/bench/bugsfuzz.sh >FILE
#
# JOBS (as many as there are processors), EXECUTIONS and SEEDS ("1 2 3 4 5") may be set.
# Exit status: 1 where a run ended in another way, whose output is printed to stderr.
set -euo pipefail
jobs=${JOBS:-$(nproc)}
export EXECUTIONS=${EXECUTIONS:-100000}
seeds=${SEEDS:-1 2 3 4 5}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export tmp

root=$(cd "$(dirname "$0")/../.." && pwd)
if [[ -z ${FUZZ-} ]]; then
  FUZZ=$tmp/fuzz.test
  (cd "$root" && CGO_ENABLED=0 go test -c -fuzz='^FuzzBug$' -o "$FUZZ" ./fuzz)
fi
if [[ -z ${SLIDEFUZZ-} ]]; then
  SLIDEFUZZ=$tmp/slidefuzz
  (cd "$root" && CGO_ENABLED=0 go build -o "$SLIDEFUZZ" ./cmd/slidefuzz)
fi
FUZZ=$(realpath "$FUZZ")
export FUZZ

# one BUG SEED: fuzzes it in a folder of its own, where what is found would be written.
# One process, so that what it says is the number of all executions, and no minimising,
# which would add some.
one() {
  local dir out rc=0 at
  dir=$(mktemp -d -p "$tmp")
  out=$(cd "$dir" && GODEBUG=fuzzseed=$2 GOMAXPROCS=2 SLIDEFUZZ_BUG=$1 SLIDEFUZZ_NO_SEEDS=1 timeout 1800 "$FUZZ" \
    -test.run='^$' -test.fuzz='^FuzzBug$' -test.parallel=1 -test.fuzzminimizetime=0 \
    -test.fuzztime="${EXECUTIONS}x" -test.fuzzcachedir="$dir/cache" 2>&1) || rc=$?
  rm -rf "$dir"
  at=$(sed -n 's/.*at execution \([0-9]*\) of this process.*/\1/p' <<<"$out" | head -n 1)
  if ((rc == 0)); then
    echo "$1 $2 missed"
  elif [[ $at ]]; then
    echo "$1 $2 $at"
  else
    printf '%s, seed %s: exit status %d\n%s\n' "$1" "$2" "$rc" "$out" >&2
    return 1
  fi
}
export -f one

rc=0
"$SLIDEFUZZ" bugs --list "$@" |
  while read -r bug; do for seed in $seeds; do echo "$bug $seed"; done; done |
  xargs -P "$jobs" -L 1 bash -c 'one "$@"' one | tee "$tmp/results" || rc=1

# The median of a bug is of its seeds, where a miss counts as more than any number.
sort -k1,1 -k2,2n "$tmp/results" | awk -v most="$EXECUTIONS" '
  function done_with(bug,   i, j, x) {
    for (i = 2; i <= n; i++) for (j = i; j > 1 && at[j] < at[j-1]; j--) { x = at[j]; at[j] = at[j-1]; at[j-1] = x }
    bugs++
    median = at[int((n + 1) / 2)]
    if (median > slowest) { slowest = median; slow = bug }
    medians[bugs] = median
    if (misses) { missed++; print "# missed: " bug " by " misses " of " n " seeds" }
    n = misses = 0
  }
  $1 != last && last != "" { done_with(last) }
  { last = $1; if ($3 == "missed") { misses++; at[++n] = most + 1 } else { at[++n] = $3; if ($3 > worst) { worst = $3; worstof = $1 } } }
  END {
    if (last == "") exit
    done_with(last)
    for (i = 2; i <= bugs; i++) for (j = i; j > 1 && medians[j] < medians[j-1]; j--) { x = medians[j]; medians[j] = medians[j-1]; medians[j-1] = x }
    print "# " bugs " bugs, at most " most " executions: " missed + 0 " missed by some seed; the median of the medians " medians[int((bugs + 1) / 2)] \
      (slowest > most ? "" : ", the slowest median " slowest " (" slow ")") "; the latest caught at " worst " (" worstof ")"
  }'
exit $rc

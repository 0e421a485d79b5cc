#!/usr/bin/env bash
# Compares the suite with what else there is, side by side in one run on one
# core, and exits with 1 when a goal is missed. --parse LOG judges a log that
# an earlier run left (KEEP=FILE keeps it).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

judge() {
  /usr/bin/python3 - "$1" <<'PY'
import json, re, sys

text = open(sys.argv[1]).read()

def number(pattern, what):
    found = re.findall(pattern, text, re.M)
    if len(found) != 1:
        sys.exit(f"{what}: {len(found)} figures in the log, not one")
    return float(found[0])

def cases(name):
    return number(rf"^Benchmark{name}(?:-\d+)?\s.*?([\d.e+]+) cases/s", name)

runner, gopter = cases("Runner"), cases("Gopter")
least = number(r"^BenchmarkRunnerLeast.*?([\d.e+]+) least-cases/s", "least")
detector = number(r"^BenchmarkDetector(?:-\d+)?\s+\d+\s+([\d.e+]+) ns/op", "detector") / 1e9
lines = [json.loads(l) for l in text.splitlines() if l.startswith("{")]
(hyp,) = [l["cases_per_second"] for l in lines if "cases_per_second" in l]
(ocl,) = [l["median"] for l in lines if "cells" in l]
update, empty = (number(rf"^fuzz {n} ([\d.]+)$", n) for n in ("FuzzUpdate", "FuzzEmpty"))
rows = [
    ("runner / Hypothesis", runner / hyp, 150, f"{runner:.0f} / {hyp:.1f} cases/s"),
    ("gopter / Hypothesis", gopter / hyp, 80, f"{gopter:.0f} / {hyp:.1f} cases/s"),
    ("Oclgrind / detector", ocl / detector, 50, f"{ocl:.3f} s / {detector * 1e3:.3f} ms"),
    ("FuzzUpdate / FuzzEmpty", update / empty, 1 / 2, f"{update:.0f} / {empty:.0f} execs/s"),
]
print(f"\n{'what':24}{'ratio':>9}{'goal':>8}  figures")
for what, ratio, goal, figures in rows:
    print(f"{what:24}{ratio:9.2f}{goal:8.2f}  {figures}{'  met' if ratio >= goal else '  MISSED'}")
print(f"by hand, for this mix alone (BenchmarkRunnerLeast): {least / hyp:.0f} times Hypothesis, {least:.0f} cases/s")
sys.exit(any(ratio < goal for _, ratio, goal, _ in rows))
PY
}

if [[ ${1-} == --parse ]]; then
  judge "$2"
  exit
fi

missing=()
for p in python3-torch python3-hypothesis oclgrind; do
  dpkg -s "$p" >/dev/null 2>&1 || missing+=("$p")
done
if ((${#missing[@]})); then
  if ((EUID != 0)); then
    echo "missing: ${missing[*]}" >&2
    exit 3
  fi
  apt-get install -y "${missing[@]}"
fi

cd "$here/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
log=${KEEP:-$tmp/log}
: >"$log"
one() { taskset -c 0 "$@"; }

# The timed check must be able to fail: exit 1, not a crash of another kind.
rc=0
/usr/bin/python3 "$here/hypothesis_cache.py" --cases 300 --canary 2>"$tmp/canary" || rc=$?
if ((rc != 1)) || ! grep -q BrokenRoll "$tmp/canary"; then
  echo "the broken roll was not caught by the Hypothesis property" >&2
  exit 1
fi

one go test -run '^$' -bench 'BenchmarkRunner$|BenchmarkRunnerLeast$|BenchmarkGopter$' ./props -benchtime 5s -cpu 1 | tee -a "$log"
one /usr/bin/python3 "$here/hypothesis_cache.py" --cases 3000 | tee -a "$log"
one go test -run '^$' -bench 'BenchmarkDetector$' ./impls/inplace -cpu 1 | tee -a "$log"
one "$here/oclgrind/run.sh" | tee -a "$log"

# Fuzzing: the binary is built first; its start is timed, compilation is not.
# Interesting inputs are not minimised: one that resists takes the tool a minute. The seed
# is fixed: how soon inputs of many operations are found is luck, and decides the rate.
execs=400000
for name in FuzzUpdate FuzzEmpty; do
  go test -c -fuzz="^$name\$" -o "$tmp/$name.test" ./fuzz
  cwd=$(mktemp -d -p "$tmp") cache=$(mktemp -d -p "$tmp")
  start=$(date +%s%N)
  (cd "$cwd" && GODEBUG=fuzzseed=1 one "$tmp/$name.test" -test.run '^$' -test.fuzz "^$name\$" \
    -test.fuzztime "${execs}x" -test.fuzzminimizetime 1x -test.parallel 1 -test.fuzzcachedir "$cache") >"$tmp/out" 2>&1 ||
    { cat "$tmp/out" >&2; exit 1; }
  end=$(date +%s%N)
  tail -3 "$tmp/out"
  done_execs=$(sed -n 's/^fuzz: elapsed: .*execs: \([0-9]*\) .*/\1/p' "$tmp/out" | tail -1)
  [[ $done_execs ]] || { echo "$name: no count of executions" >&2; exit 1; }
  awk -v name="$name" -v n="$done_execs" -v ns=$((end - start)) \
    'BEGIN { printf "fuzz %s %.1f\n", name, n / ns * 1e9 }' | tee -a "$log"
done
judge "$log"

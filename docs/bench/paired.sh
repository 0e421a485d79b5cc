#!/usr/bin/env bash
# Compares this checkout's runner with that of another commit: both are built into
# one program, which runs slices of 200 cases of the benchmark's mix in turn, so that
# a machine whose speed drifts slows both alike. Prints cases a second of the processor's
# time and how fast this is, times the other: by the sums, and the median and quartiles
# over the slices. Linux.
#
#   docs/bench/paired.sh COMMIT [RUNS]
#
# For commits from 2110a42 on: before, the packages had other names.
set -euo pipefail
cd "$(dirname "$0")/../.."
commit=${1:?which commit}
runs=${2:-3}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
module=github.com/slidefuzz/slidefuzz

mkdir "$tmp/other"
git archive "$commit" | tar x -C "$tmp/other"
find "$tmp/other" -name '*.go' -exec sed -i "s#$module#example.com/other#g" {} +
sed -i "s#$module#example.com/other#" "$tmp/other/go.mod"

# One package for each, which differ in what they import alone.
for side in other this; do
  from=$module
  [[ $side == this ]] || from=example.com/other
  mkdir "$tmp/run$side"
  cat >"$tmp/run$side/run.go" <<GO
package run$side

import (
	"context"
	"fmt"
	"math/rand"

	"$from/corpus"
	"$from/impls"
	"$from/impls/inplace"
	"$from/impls/window"
	"$from/props/hunt"
)

var (
	r = hunt.Local()
	c = &corpus.Case{}
)

// Run runs n cases of benchmarkMix in props/bench_test.go.
func Run(seed int64, n int) {
	rng := rand.New(rand.NewSource(seed))
	in := func(lo, hi int) int { return lo + rng.Intn(hi-lo+1) }
	for range n {
		w, b, h, d := in(1, 16), in(1, 2), in(1, 3), in(1, 4)
		c.Shape = impls.Shape{Batch: b, Heads: h, Window: w, Dim: d, DType: impls.F32}
		c.Block = 64
		c.Ops = append(c.Ops[:0], corpus.Op{Kind: corpus.Append, N: in(1, 40)})
		for range in(0, 20) {
			c.Ops = append(c.Ops, corpus.Op{Kind: corpus.Append, N: 1})
		}
		for _, update := range [...]string{"shift-index", "roll"} {
			c.Target = window.Target{Update: update, Lowering: inplace.Fused, Device: "sim"}
			if d, err := r.One(context.Background(), c); d != nil || err != nil {
				panic(fmt.Sprint(d, err))
			}
		}
	}
}
GO
done
cat >"$tmp/main.go" <<'GO'
package main

import (
	"fmt"
	"sort"
	"syscall"
	"time"
	"unsafe"

	"example.com/paired/runother"
	"example.com/paired/runthis"
)

const slices, cases = 600, 200

func timed(run func(int64, int), seed int) time.Duration {
	start := spent()
	run(int64(seed), cases)
	return spent() - start
}

// spent is the processor's time that this process has taken, which others on a busy
// machine take no part in.
func spent() time.Duration {
	const processCPUTime = 2 // CLOCK_PROCESS_CPUTIME_ID, of Linux
	var t syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, processCPUTime, uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		panic(errno)
	}
	return time.Duration(t.Nano())
}

func main() {
	runother.Run(1, 10*cases) // every shape compiled
	runthis.Run(1, 10*cases)
	var other, this time.Duration
	var ratios []float64
	for i := range slices {
		var a, b time.Duration
		if i%2 == 0 {
			a = timed(runother.Run, i)
			b = timed(runthis.Run, i)
		} else {
			b = timed(runthis.Run, i)
			a = timed(runother.Run, i)
		}
		other, this = other+a, this+b
		ratios = append(ratios, float64(a)/float64(b))
	}
	sort.Float64s(ratios)
	n := float64(slices * cases)
	fmt.Printf("other %.0f cases/s, this %.0f; this is %.3f times as fast by the sums, median %.3f, quartiles %.3f and %.3f\n",
		n/other.Seconds(), n/this.Seconds(), float64(other)/float64(this), ratios[slices/2], ratios[slices/4], ratios[slices*3/4])
}
GO
sed -e 's#^module .*#module example.com/paired#' -e '/^tool/,/^)/d' go.mod >"$tmp/go.mod"
cat >>"$tmp/go.mod" <<MOD
require example.com/other v0.0.0
require $module v0.0.0
replace example.com/other => ./other
replace $module => $PWD
MOD
cp go.sum "$tmp"
(cd "$tmp" && go build -mod=mod -o paired .)
for ((i = 0; i < runs; i++)); do taskset -c 0 "$tmp/paired"; done

package gpu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// open is a device of the test's own, or a skip where the machine lacks it and
// SLIDEFUZZ_REQUIRE does not name it.
func open(tb testing.TB, name string) *Device {
	tb.Helper()
	d := &Device{Name: name}
	tb.Cleanup(d.Close)
	_, err := d.About(tb.Context())
	var missing *MissingError
	if errors.As(err, &missing) && !slices.Contains(strings.Split(os.Getenv("SLIDEFUZZ_REQUIRE"), ","), name) {
		tb.Skip("SKIPPED, NOTHING WAS TESTED: " + err.Error())
	}
	require.NoError(tb, err)
	return d
}

// onEach runs a test on each device that the machine has.
func onEach(t *testing.T, test func(t *testing.T, d *Device)) {
	for _, name := range []string{"opencl", "cuda"} {
		t.Run(name, func(t *testing.T) { test(t, open(t, name)) })
	}
}

// shift is a trace that fills a buffer of rows one-byte rows and shifts it to
// the left by one, racing, blocks descending; the check expects what a sound
// shift gives. The values are the positions plus one.
func shift(rows int) *inplace.Trace {
	s := impls.Shape{Batch: 1, Heads: 1, Window: rows, Dim: 1, DType: impls.U8}
	p, _ := window.BuiltinProgram("down-shift", rows)
	plan := inplace.Compile(p, inplace.DropClone, s, 1)
	trace := inplace.ProgramTrace(plan, s)
	trace.Code = inplace.Code{Codes: 254, Stride: 1, Half: 254, Offsets: make([]uint32, 2)}
	start, want := make([]int32, rows), make([]int32, rows)
	for i := range start {
		start[i], want[i] = int32(i), int32(min(i+1, rows-1))
	}
	trace.Start(0, start)
	k := plan.Kernels[0]
	trace.RunKernel(plan, k, inplace.Schedule{Kind: inplace.Descending}.Order(k.Blocks()))
	trace.CheckBuffer(0, want)
	return trace
}

func TestShift(t *testing.T) {
	onEach(t, func(t *testing.T, d *Device) {
		s := shift(4)
		results, err := d.Run(context.Background(), []*inplace.Trace{s, s})
		require.NoError(t, err)
		for _, r := range results {
			require.NoError(t, r.Err)
			// Each block reads what the one before it has just written.
			require.Equal(t, inplace.Outcome{Failed: true, Step: 2, Wrong: 2, First: 0, Memory: []byte{4, 4, 4, 4}}, r.Outcome)
			require.Equal(t, s.Run(), r.Outcome)
		}
	})
}

// kill ends a process as somebody else would.
func kill(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill() // it may have ended
	}
}

// Traces that run by themselves, a launch a step, give the same in a forced
// order. That large ones do is for TestLargeScripts of props/run/gpu, which takes
// minutes: here small ones count as large.
func TestAlone(t *testing.T) {
	onEach(t, func(t *testing.T, d *Device) {
		d.large = 1
		failed := 0
		for rows := range 20 {
			s := shift(2 + rows)
			k := s.Steps[1].Kernel
			s.Steps[1].Order = inplace.Schedule{Kind: inplace.Random, Seed: uint64(rows)}.Order(k.Blocks())
			results, err := d.Run(context.Background(), []*inplace.Trace{s})
			require.NoError(t, err)
			require.NoError(t, results[0].Err)
			require.Equal(t, s.Run(), results[0].Outcome, rows)
			if results[0].Failed {
				failed++
			}
		}
		require.Positive(t, failed)
	})
}

// A child that is killed is a failure of what it was doing, and nothing else.
func TestKilled(t *testing.T) {
	onEach(t, func(t *testing.T, d *Device) {
		endless := shift(4)
		endless.Steps = []inplace.Step{{Kind: inplace.Endless}}
		pid := d.child.Pid()
		time.AfterFunc(200*time.Millisecond, func() { kill(pid) })
		results, err := d.Run(context.Background(), []*inplace.Trace{endless})
		require.NoError(t, err)
		var failed *FailedError
		require.ErrorAs(t, results[0].Err, &failed)
		require.False(t, failed.Hung)
		require.Contains(t, failed.Error(), "signal: killed")

		// Between two calls, it is replaced without a word.
		_, err = d.About(t.Context())
		require.NoError(t, err)
		kill(d.child.Pid())
		time.Sleep(100 * time.Millisecond)
		results, err = d.Run(context.Background(), []*inplace.Trace{shift(4)})
		require.NoError(t, err)
		if results[0].Err != nil { // it took the request before it died
			require.ErrorAs(t, results[0].Err, &failed)
		}
		results, err = d.Run(context.Background(), []*inplace.Trace{shift(4)})
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
		require.True(t, results[0].Failed)
	})
}

// A hang ends at the limit, and costs the traces beside it nothing.
func TestHang(t *testing.T) {
	onEach(t, func(t *testing.T, d *Device) {
		d.SetTimeout(time.Second)
		endless := shift(4)
		endless.Steps = []inplace.Step{{Kind: inplace.Endless}}
		results, err := d.Run(context.Background(), []*inplace.Trace{shift(4), shift(5), endless, shift(6)})
		require.NoError(t, err)
		var failed *FailedError
		require.ErrorAs(t, results[2].Err, &failed)
		require.True(t, failed.Hung)
		require.Contains(t, failed.Error(), "no answer in 1s")
		for _, i := range []int{0, 1, 3} {
			require.NoError(t, results[i].Err)
			require.True(t, results[i].Failed)
		}
	})
}

// Reading far out of bounds crashes the child alone.
func TestOutOfBounds(t *testing.T) {
	onEach(t, func(t *testing.T, d *Device) {
		wild := shift(4)
		// The low 32 bits, without a sign, are 2^31: what an int of 32 bits cannot hold.
		wild.Steps[1].Kernel = inplace.NewKernel(0, 1, []inplace.Copy{{From: -1 << 31, N: 1}})
		wild.Steps[1].Order = nil
		results, err := d.Run(context.Background(), []*inplace.Trace{shift(4), wild})
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
		var failed *FailedError
		require.ErrorAs(t, results[1].Err, &failed)
		t.Log(failed)
	})
}

// Ending the context ends a hang at once.
func TestInterrupted(t *testing.T) {
	onEach(t, func(t *testing.T, d *Device) {
		endless := shift(4)
		endless.Steps = []inplace.Step{{Kind: inplace.Endless}}
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := d.Run(ctx, []*inplace.Trace{endless})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Less(t, time.Since(start), 10*time.Second)
	})
}

// A loader without a platform, and a library that is not there, say what to
// install.
func TestMissing(t *testing.T) {
	d := &Device{Name: "opencl", env: []string{"SLIDEFUZZ_OPENCL_LIB=libnone.so"}}
	_, err := d.About(t.Context())
	var missing *MissingError
	require.ErrorAs(t, err, &missing)
	require.Contains(t, err.Error(), "apt-get install")

	open(t, "opencl")
	empty := t.TempDir()
	d = &Device{Name: "opencl", env: []string{"OCL_ICD_VENDORS=" + empty, "OCL_ICD_FILENAMES="}}
	_, err = d.About(t.Context())
	require.ErrorAs(t, err, &missing)
	require.Contains(t, err.Error(), "finds no platform")
	_, err = d.Run(context.Background(), []*inplace.Trace{shift(4)})
	require.ErrorAs(t, err, &missing)
}

// usage is what a child holds.
type usage struct {
	files, resident int // open files, KiB
	device          int64
	parentFiles     int
}

func measure(t *testing.T, d *Device) usage {
	t.Helper()
	count := func(pid string) int {
		entries, err := os.ReadDir(filepath.Join("/proc", pid, "fd"))
		require.NoError(t, err)
		return len(entries)
	}
	pid := strconv.Itoa(d.child.Pid())
	u := usage{files: count(pid), parentFiles: count("self"), device: d.free}
	status, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(status), "VmRSS:")
	require.True(t, ok)
	_, err = fmt.Sscan(rest, &u.resident)
	require.NoError(t, err)
	return u
}

// Over 100,000 traces, 5,000 with -short, nothing grows: open files, memory,
// memory of the device where the driver tells, processes.
func TestLeaks(t *testing.T) {
	n, batch := 100_000, 1000
	if testing.Short() {
		n, batch = 5_000, 100
	}
	onEach(t, func(t *testing.T, d *Device) {
		traces := make([]*inplace.Trace, batch)
		for i := range traces {
			traces[i] = shift(2 + i%60)
		}
		pid := d.child.Pid()
		var before usage
		for done := 0; done < n; done += batch {
			results, err := d.Run(context.Background(), traces)
			require.NoError(t, err)
			for i, r := range results {
				require.NoError(t, r.Err)
				require.Equal(t, i%60 > 0, r.Failed, i) // two rows are one block
			}
			if done == 5*batch { // the buffers have grown as far as they will
				before = measure(t, d)
			}
		}
		after := measure(t, d)
		t.Logf("after %d traces %+v, after %d %+v", 6*batch, before, n, after)
		require.Equal(t, pid, d.child.Pid(), "one process all the time")
		// A driver may open a file or two when it likes; one for each launch
		// would be a hundred, or fifty.
		require.Less(t, after.files-before.files, 16)
		require.LessOrEqual(t, after.parentFiles, before.parentFiles)
		require.Less(t, after.resident-before.resident, 64<<10, "KiB")
		require.Less(t, before.device-after.device, int64(64<<20))
	})
}

// BenchmarkCheck is the check on the device as a share of the bandwidth of a
// plain read of the same bytes, in the same run: a window of 1 GiB for each
// element size, rows of 256 elements.
func BenchmarkCheck(b *testing.B) {
	for _, name := range []string{"opencl", "cuda"} {
		for _, dtype := range []impls.DType{impls.F32, impls.BF16, impls.U8} {
			b.Run(name+"/"+dtype.String(), func(b *testing.B) {
				d := open(b, name)
				d.SetTimeout(5 * time.Minute)
				bytes, rounds := int64(1<<30), 20
				if strings.Contains(d.child.about, "Portable Computing Language") {
					bytes, rounds = 64<<20, 3 // a CPU
				}
				s := impls.Shape{Batch: 4, Heads: 8, Dim: 256, DType: dtype}
				s.Window = int(bytes) / (s.Lanes() * s.RowBytes())
				trace := &inplace.Trace{Shape: s, Sizes: []int{s.Window}, Native: true}
				trace.Code = inplace.Code{Codes: 254 << 23, Half: 254 << 23, Low: 1 << 23}
				switch dtype {
				case impls.BF16:
					trace.Code = inplace.Code{Codes: 65024, Stride: 101, Half: 32512, Low: 128, High: 32896}
				case impls.U8:
					trace.Code = inplace.Code{Codes: 254, Stride: 101, Half: 254, Low: 1}
				}
				if dtype != impls.F32 {
					for i := range 2 * s.Lanes() * s.Dim {
						trace.Code.Offsets = append(trace.Code.Offsets, uint32(i)*7919%trace.Code.Codes)
					}
				}
				labels := make([]int32, s.Window)
				for i := range labels {
					labels[i] = int32(i)
				}
				trace.Start(0, labels)
				trace.CheckBuffer(0, labels)
				batch := encode([]*inplace.Trace{trace}, false)
				require.NoError(b, batch.err)
				r := &benchRequest{Run: *batch.request(), Fill: []int{0}, Step: 1, Bytes: bytes, Rounds: rounds}
				for b.Loop() {
					rep, err := d.ask(context.Background(), &request{Bench: r})
					require.NoError(b, err)
					require.Zero(b, wordsOf(rep.State)[0], "wrong cells")
					check, read := slices.Min(rep.Seconds), slices.Min(rep.Read)
					b.ReportMetric(float64(bytes)/check/1e9, "check-GB/s")
					b.ReportMetric(float64(bytes)/read/1e9, "read-GB/s")
					b.ReportMetric(100*read/check, "percent")
				}
			})
		}
	}
}

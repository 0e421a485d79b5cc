package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

var doctorCommand = command{
	name:  "doctor",
	about: "say what this machine and this build have",
	long: `
Prints what a hunt here has to work with. Exits with 3 when --device names a
device that is not there.`,
	flags: func(fs *flag.FlagSet) action {
		devices := deviceFlag(fs, "require these devices: a comma-separated `LIST`")
		return func(ctx context.Context, e *env, args []string) (int, error) {
			if len(args) > 0 {
				return 0, fmt.Errorf("unexpected %q; doctor takes flags only", args[0])
			}
			w := e.out
			fmt.Fprintf(w, "slidefuzz   %s\n", buildVersion())
			fmt.Fprintf(w, "go          %s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
			fmt.Fprintf(w, "cores       %d\n", runtime.NumCPU())
			fmt.Fprintf(w, "GOMAXPROCS  %d\n", runtime.GOMAXPROCS(0))
			fmt.Fprintf(w, "memory      %s\n", memory())
			var errs []error
			for _, d := range window.Devices() {
				note := "ok"
				if d == "host" && inplace.RaceEnabled {
					note = "ok; built with -race, so kernels with a conflict run on one goroutine"
				} else if d == "host" && runtime.GOMAXPROCS(0) == 1 {
					note = "ok, but with one core no race can show on it; use sim"
				}
				about, err := aboutDevice(ctx, d)
				switch {
				case err != nil:
					note = "no: " + err.Error()
					if slices.Contains(*devices, d) {
						errs = append(errs, err)
					}
				case about != "":
					note = "ok: " + about
				}
				fmt.Fprintf(w, "%-11s %s\n", d, note)
			}
			errs = append(errs, devices.check())
			return exitOK, errors.Join(errs...)
		}
	},
}

// memory is the machine's memory where the system tells it in a file.
func memory() string {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "unknown"
	}
	size := map[string]int64{}
	s := bufio.NewScanner(bytes.NewReader(text))
	for s.Scan() {
		key, value, _ := strings.Cut(s.Text(), ":")
		f := strings.Fields(value)
		if len(f) == 2 && f[1] == "kB" {
			if n, err := strconv.ParseInt(f[0], 10, 64); err == nil {
				size[key] = n << 10
			}
		}
	}
	return fmt.Sprintf("%d MiB, %d MiB available", size["MemTotal"]>>20, size["MemAvailable"]>>20)
}

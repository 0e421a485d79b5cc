package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slidefuzz/slidefuzz/impls/gpu"
	"github.com/slidefuzz/slidefuzz/impls/window"
	backend "github.com/slidefuzz/slidefuzz/props/run/gpu"
)

// sizeFlag is a number of bytes; a number without a unit is in MiB.
type sizeFlag int64

func (s *sizeFlag) String() string {
	if *s%(1<<20) != 0 {
		return strconv.FormatInt(int64(*s)>>10, 10) + "KiB"
	}
	return strconv.FormatInt(int64(*s)>>20, 10) + "MiB"
}

func (s *sizeFlag) Set(text string) error {
	number, shift := text, 20
	for _, u := range [...]struct {
		name  string
		shift int
	}{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}} {
		if n, ok := strings.CutSuffix(text, u.name); ok {
			number, shift = n, u.shift
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64>>shift {
		return errors.New("want a size like 512 (MiB) or 2GiB")
	}
	*s = sizeFlag(n << shift)
	return nil
}

// durationFlag is a duration of more than nothing; without the flag it is its default.
type durationFlag time.Duration

func (d *durationFlag) String() string { return time.Duration(*d).String() }

func (d *durationFlag) Set(text string) error {
	n, err := time.ParseDuration(text)
	if err != nil {
		return errors.New("want a duration like 90s or 10m")
	}
	if n <= 0 {
		return errors.New("want more than nothing")
	}
	*d = durationFlag(n)
	return nil
}

// durationVar defines a flag that is a duration, whose value is its default till then.
func durationVar(fs *flag.FlagSet, to *time.Duration, name, about string) {
	fs.Var((*durationFlag)(to), name, about)
}

// memoryFlag is the flag that raises corpus.DefaultLimit; 0 stands for that.
func memoryFlag(fs *flag.FlagSet) *sizeFlag {
	s := new(sizeFlag)
	fs.Var(s, "memory", "`SIZE` that a case may take, in MiB or as 2GiB (default 256)")
	return s
}

// aboutDevice is what a device is; the error says why this machine lacks it.
func aboutDevice(ctx context.Context, name string) (string, error) {
	switch {
	case !slices.Contains(window.Devices(), name):
		return "", noDevice(name)
	case !window.OnGPU(name):
		return "", nil
	}
	d, err := gpu.Open(backend.DeviceName(name))
	if err != nil {
		return "", err
	}
	return d.About(ctx)
}

// devicesFlag is a comma-separated list of devices; none stands for all.
type devicesFlag []string

func (d *devicesFlag) String() string { return strings.Join(*d, ",") }

func (d *devicesFlag) Set(text string) error {
	for name := range strings.SplitSeq(text, ",") {
		*d = append(*d, strings.TrimSpace(name))
	}
	return nil
}

func (d *devicesFlag) check() error {
	for _, name := range *d {
		if !slices.Contains(window.Devices(), name) {
			return noDevice(name)
		}
	}
	return nil
}

func noDevice(name string) error {
	return fmt.Errorf("no device is called %q%s; want one of %s", name, didYouMean(name, window.Devices()), strings.Join(window.Devices(), ", "))
}

// has reports whether the targets of a device take part. Without a list those
// of every machine do, and others where they are named.
func (d *devicesFlag) has(device string, named bool) bool {
	if len(*d) == 0 {
		return !window.OnGPU(device) || named
	}
	return slices.Contains(*d, device)
}

func deviceFlag(fs *flag.FlagSet, about string) *devicesFlag {
	d := new(devicesFlag)
	fs.Var(d, "device", about)
	return d
}

// isSet reports whether the command line has the flag.
func isSet(fs *flag.FlagSet, name string) bool {
	found := false
	fs.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

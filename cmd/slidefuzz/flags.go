package main

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
)

// sizeFlag is a number of bytes; a number without a unit is in MiB.
type sizeFlag int64

func (s *sizeFlag) String() string { return strconv.FormatInt(int64(*s)>>20, 10) + "MiB" }

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

// memoryFlag is the flag that raises corpus.DefaultLimit; 0 stands for that.
func memoryFlag(fs *flag.FlagSet) *sizeFlag {
	s := new(sizeFlag)
	fs.Var(s, "memory", "`SIZE` that a case may take, in MiB or as 2GiB (default 256)")
	return s
}

// laterDevices have a name and no code in this build.
func laterDevices() []string {
	return slices.DeleteFunc([]string{"opencl", "cuda"}, func(d string) bool { return slices.Contains(impls.Devices, d) })
}

// checkDevice reports a device that is not there.
func checkDevice(name string) error {
	switch {
	case slices.Contains(impls.Devices, name):
		return nil
	case slices.Contains(laterDevices(), name):
		return missingError(fmt.Sprintf("device %s is not in this build; slidefuzz doctor lists what there is", name))
	}
	return fmt.Errorf("no device is called %q; want one of %s", name, strings.Join(append(slices.Clone(impls.Devices), laterDevices()...), ", "))
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
		if err := checkDevice(name); err != nil {
			return err
		}
	}
	return nil
}

func (d *devicesFlag) has(t impls.Target) bool {
	return len(*d) == 0 || slices.Contains(*d, t.Device)
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

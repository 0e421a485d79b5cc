package window

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls/caches"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// Target is what is tested: an update, or "program" or a built-in program,
// under a lowering, on a device; a built-in cache in Go; or somebody else's worker
// or Go cache.
type Target struct {
	Update   string // or the name of the cache or worker
	Lowering inplace.Lowering
	Device   string
	// Variant is one of the ways in which a worker runs programs, by the name that its
	// hello gives it; empty for the worker's first, and for every other target.
	Variant string
}

// Worker is the device of the targets that are processes of their own.
const Worker = "worker"

// GoCache is the device, and the update, of the target that is a user's cache in
// Go, which props.TestCache runs.
const GoCache = "cache"

// CacheTarget is the target that is a user's cache in Go. It prints as "cache": which
// cache it is, the test knows that runs it.
func CacheTarget() Target { return Target{Update: GoCache, Device: GoCache} }

// Go is the device of the caches of package caches, the built-in caches in Go. They
// have no lowerings, and no blocks that an order could be asked for.
const Go = "go"

// BuiltinCache is the target of a cache that caches.List names. It prints as go/NAME.
func BuiltinCache(name string) Target { return Target{Update: name, Device: Go} }

// LookupCache describes a built-in cache in Go.
func LookupCache(name string) (caches.Info, bool) {
	i, ok := builtinCaches[name]
	return i, ok
}

var builtinCaches = func() map[string]caches.Info {
	all := map[string]caches.Info{}
	for _, i := range caches.List() {
		all[i.Name] = i
	}
	return all
}()

// EngineDevice is the device of the targets that are inference engines: programs that load a
// checkpoint and answer with logits.
const EngineDevice = "engine"

// OneLess ends the name of an engine that gives each query one token more than the window,
// and so is told a window of one less than a case's.
const OneLess = "-one-less"

// EngineTarget is the target of an engine that calls itself name. A colon and the name
// of a fault follow that of an engine in which one was planted on purpose.
func EngineTarget(name string) Target { return Target{Update: cleanName(name), Device: EngineDevice} }

// Foreign reports whether the target is somebody else's: it has no updates and
// lowerings of ours.
func (t Target) Foreign() bool {
	return t.Device == Worker || t.Device == GoCache || t.Device == EngineDevice
}

func (t Target) String() string {
	switch {
	case t.Device == GoCache:
		return GoCache
	case t.Device == Go:
		return Go + "/" + t.Update
	case t.Device == Worker && t.Update == "program" && t.Variant != "":
		return "program/worker/" + t.Variant
	case t.Device == Worker && t.Update == "program":
		return "program/worker"
	case t.Device == Worker, t.Device == EngineDevice:
		return t.Device + "/" + t.Update
	}
	return t.Update + "/" + t.Lowering.String() + "/" + t.Device
}

// WorkerTarget is the target of a worker that calls itself name; what a
// target's text cannot hold becomes a dash.
func WorkerTarget(name string) Target { return Target{Update: cleanName(name), Device: Worker} }

func cleanName(name string) string {
	clean := strings.Map(func(r rune) rune {
		if inName(r) {
			return r
		}
		return '-'
	}, name)
	return clean[:min(len(clean), maxName)]
}

// maxName bounds the name of a worker and of a variant, in bytes: it is part of a
// line that people read.
const maxName = 80

// inName reports whether a character may stand in such a name.
func inName(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r != 0 && strings.ContainsRune("-_.+:", r)
}

// Is reports whether it is another target, in whichever variant.
func (t Target) Is(other Target) bool {
	t.Variant = other.Variant
	return t == other
}

// CheckVariant reports a name of a variant that a target's text cannot hold.
func CheckVariant(name string) error {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return !inName(r) }) {
		return fmt.Errorf("%q: want the name of a variant: letters, digits and any of -_.+: in it, at most %d of them", name, maxName)
	}
	return nil
}

// ParseTarget is the inverse of String.
func ParseTarget(s string) (Target, error) {
	if s == GoCache {
		return CacheTarget(), nil
	}
	if s == "program/worker" {
		return Target{Update: "program", Device: Worker}, nil
	}
	if variant, ok := strings.CutPrefix(s, "program/worker/"); ok {
		if err := CheckVariant(variant); err != nil {
			return Target{}, fmt.Errorf("target %q: %w", s, err)
		}
		return Target{Update: "program", Device: Worker, Variant: variant}, nil
	}
	if name, ok := strings.CutPrefix(s, "worker/"); ok {
		t := WorkerTarget(name)
		if t.Update != name || name == "" || name == "program" {
			return Target{}, fmt.Errorf("target %q: want the name of a worker: letters, digits and any of -_.+: in it", s)
		}
		return t, nil
	}
	if name, ok := strings.CutPrefix(s, EngineDevice+"/"); ok {
		t := EngineTarget(name)
		if t.Update != name || name == "" {
			return Target{}, fmt.Errorf("target %q: want the name of an engine: letters, digits and any of -_.+: in it", s)
		}
		return t, nil
	}
	f := strings.Split(s, "/")
	if len(f) == 2 && f[0] == Go {
		t := BuiltinCache(f[1])
		return t, t.Check()
	}
	if len(f) != 3 || f[2] == Go {
		return Target{}, fmt.Errorf("target %q: want update/lowering/device, as in roll/fused/sim, go/NAME, worker/NAME, engine/NAME or cache", s)
	}
	how, err := inplace.ParseLowering(f[1])
	if err != nil {
		return Target{}, fmt.Errorf("target %q: %w", s, err)
	}
	t := Target{Update: f[0], Lowering: how, Device: f[2]}
	return t, t.Check()
}

// Check reports an update, a cache or a device that is not built in.
func (t Target) Check() error {
	if t.Device == Worker || t.Device == EngineDevice || t == CacheTarget() {
		return nil
	}
	if t.Device == Go {
		if _, ok := LookupCache(t.Update); !ok || t != BuiltinCache(t.Update) {
			return fmt.Errorf("target %q: no built-in cache in Go is called %q; slidefuzz targets 'go/*' lists them", t, t.Update)
		}
		return nil
	}
	u, ok := LookupUpdate(t.Update)
	if !ok && !t.IsProgram() {
		return fmt.Errorf("target %q: no update is called %q; slidefuzz targets lists them", t, t.Update)
	}
	if ok && u.Harmful() && !OnGPU(t.Device) {
		return fmt.Errorf("target %q: %s would take this process down; it runs on opencl and cuda", t, t.Update)
	}
	if !slices.Contains(devices, t.Device) {
		return fmt.Errorf("target %q: no device is called %q; want %s", t, t.Device, strings.Join(devices, " or "))
	}
	return nil
}

// IsProgram reports whether the target runs a program of its own, not an
// update of a cache.
func (t Target) IsProgram() bool {
	return t.Update == "program" || !t.Foreign() && t.Device != Go && isBuiltinProgram(t.Update)
}

// Sound reports whether every case should agree with the oracle. The others
// are known-bad.
func (t Target) Sound() bool {
	if t.Device == EngineDevice {
		return !strings.Contains(t.Update, ":")
	}
	if t.Foreign() {
		return true
	}
	if t.Device == Go {
		i, ok := LookupCache(t.Update)
		return ok && i.Sound
	}
	u, ok := LookupUpdate(t.Update)
	if ok && !u.Sound() {
		return false
	}
	return t.Lowering.Sound() || t.Update != "program" && !slices.Contains(shows[t.Lowering], t.Update)
}

// Racy reports whether the target's only fault is a race: then a schedule
// decides whether it shows.
func (t Target) Racy() bool {
	u, ok := LookupUpdate(t.Update)
	return t.Device != Go && !t.Sound() && (!ok || u.Sound()) && t.Lowering.Racy()
}

// Targets lists every built-in target of the devices host and sim. What a stored
// fuzz input decodes to depends on it: what is not in here is listed by TargetsOn.
func Targets() []Target { return append(TargetsOn("host"), TargetsOn("sim")...) }

// Harmful lists the targets of a device of package gpu that crash it or hang
// it, which takes a fresh process or a time limit each time: no hunt has them
// unless it is asked for.
func Harmful(device string) []Target {
	var all []Target
	for _, u := range updates {
		if u.Harmful() && (device == "opencl" || device == "cuda") {
			all = append(all, Target{Update: u.Name, Lowering: inplace.Fused, Device: device})
		}
	}
	return all
}

// TargetsOn lists every built-in target of a device: each sound update and program
// under the sound lowerings and those that it is to be tried under, random programs
// under all, and each known-bad update once. Faults of
// bookkeeping are the same code everywhere and are left out on GPUs; what a
// captured graph gets wrong is not. On Go it lists the built-in caches.
func TargetsOn(device string) []Target {
	var all []Target
	if device == Go {
		for _, i := range caches.List() {
			all = append(all, BuiltinCache(i.Name))
		}
		return all
	}
	for _, u := range updates {
		if u.Harmful() {
			continue
		}
		// Those of the updates' own report; programs stand for the others.
		for _, how := range [...]inplace.Lowering{inplace.Eager, inplace.Fused, inplace.DropWAR, inplace.DropClone} {
			planted := how == inplace.Fused && (!OnGPU(device) || device == "cuda-graph" && u.bug == newBuffers)
			if u.Sound() || planted {
				all = append(all, Target{Update: u.Name, Lowering: how, Device: device})
			}
		}
	}
	if device == "cuda-graph" {
		return all // a program runs once
	}
	for _, p := range programs {
		for _, how := range append([]inplace.Lowering{inplace.Eager, inplace.Fused}, p.faults...) {
			all = append(all, Target{Update: p.name, Lowering: how, Device: device})
		}
	}
	for _, how := range inplace.Lowerings() {
		// A random program that assigns to what is still to be computed, in blocks of
		// the one size, and uses it, is one of some 10,000.
		if how != inplace.OneBlock {
			all = append(all, Target{Update: "program", Lowering: how, Device: device})
		}
	}
	return all
}

// Devices lists all devices by name: sim and host, which package inplace has; go, on
// which the built-in caches in Go are; then those of package gpu, which run whole
// traces. cuda-graph is cuda with each step of a cache captured once and replayed.
func Devices() []string { return slices.Clone(devices) }

var devices = []string{"host", "sim", Go, "opencl", "cuda", "cuda-graph"}

// OnGPU reports whether a device is one of package gpu.
func OnGPU(device string) bool {
	return device != "host" && device != "sim" && device != Go && device != Worker && device != GoCache && device != EngineDevice
}

// OrdersItself reports whether a device runs blocks in an order of its own,
// whatever a case asks for: host, a captured graph, a worker, an engine, and a user's
// cache, so that a case may have another outcome each time.
func OrdersItself(device string) bool {
	return device == "host" || device == "cuda-graph" || device == Worker || device == GoCache || device == EngineDevice
}

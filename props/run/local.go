package run

import (
	"context"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/oracle"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// local runs cases on sim and host. It remembers what it compiled and reuses its
// memory.
type local struct {
	judge   *judge.Judge
	targets []targetEngines
	kept    int // engines of all targets
	engines *Engines
	devices map[string]*localDevice
}

// localDevice is a device with the cache that serves all cases on it, so that its memory is
// at hand: the caches of all shapes together do not fit into that of a processor.
type localDevice struct {
	inplace.Device
	cache localCache
}

// localCache is a cache as it is and as the judge asks it.
type localCache struct {
	*window.WindowCache
	subject judge.Subject
}

// targetEngines are those of a target. A case looks its target up in a short list: to hash
// a name for each case would take longer than some steps.
type targetEngines struct {
	target window.Target
	device *localDevice
	by     map[sizeKey]*window.Engine
}

type sizeKey struct {
	shape impls.Shape
	block int
}

type cacheKey struct {
	target window.Target
	shape  impls.Shape
	block  int
}

// maxRemembered bounds the engines that are kept: the shapes of the benchmark's mix are 384.
const maxRemembered = 2048

// maxTargets bounds the list of targets: all that FuzzUpdate chooses among, and those of sim
// and host by turns, fit well.
const maxTargets = 64

// maxKept bounds the buffers that the cache of a device serves, in bytes: others have one of
// their own, so that their memory is not kept.
const maxKept = 64 << 10

func newLocal() *local {
	return &local{judge: judge.New(), engines: NewEngines(), devices: map[string]*localDevice{}}
}

// Traits implements Backend.
func (l *local) Traits(window.Target) Traits { return Traits{Batch: 1} }

// Run implements Backend.
func (l *local) Run(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	return Each(ctx, cases, l.one)
}

func (l *local) one(ctx context.Context, c *corpus.Case) (*corpus.Divergence, error) {
	if p, ok := c.TheProgram(); ok {
		device, err := l.device(c.Target.Device)
		if err != nil {
			return nil, err
		}
		return l.judge.Program(ctx, c, p, device.Device)
	}
	cache, err := l.empty(c)
	if err != nil {
		return nil, err
	}
	if c.Schedule.Kind != inplace.Ascending && c.Schedule.Kind != inplace.Native || len(c.Orders) > 0 {
		cache.Order = l.judge.BlockOrder
	}
	return l.judge.Cache(ctx, c, cache.subject, oracle.Single)
}

func (l *local) device(name string) (*localDevice, error) {
	if d, ok := l.devices[name]; ok {
		return d, nil
	}
	d, err := inplace.NewDevice(name)
	if err != nil {
		return nil, err
	}
	l.devices[name] = &localDevice{Device: d}
	return l.devices[name], nil
}

// empty is an empty cache for a case: a new one, or the one that served the cases before.
func (l *local) empty(c *corpus.Case) (localCache, error) {
	of, err := l.of(c.Target)
	if err != nil {
		return localCache{}, err
	}
	key := sizeKey{c.Shape, c.Block}
	e, ok := of.by[key]
	if !ok {
		if e, err = l.engines.Of(c); err != nil {
			return localCache{}, err
		}
		if l.kept >= maxRemembered {
			for i := range l.targets {
				clear(l.targets[i].by)
			}
			l.kept = 0
		}
		of.by[key] = e
		l.kept++
	}
	cache := &of.device.cache
	if c.Shape.Bytes(c.Shape.Window) > maxKept {
		cache = &localCache{}
	}
	if cache.WindowCache == nil {
		cache.WindowCache = e.NewCache(of.device.Device)
		cache.subject = Cache(cache.WindowCache)
	} else {
		cache.Recycle(e)
	}
	return *cache, nil
}

// of is what is kept for a target.
func (l *local) of(t window.Target) (*targetEngines, error) {
	for i := range l.targets {
		if l.targets[i].target == t {
			return &l.targets[i], nil
		}
	}
	d, err := l.device(t.Device)
	if err != nil {
		return nil, err
	}
	if len(l.targets) == maxTargets {
		clear(l.targets)
		l.targets, l.kept = l.targets[:0], 0
	}
	l.targets = append(l.targets, targetEngines{t, d, map[sizeKey]*window.Engine{}})
	return &l.targets[len(l.targets)-1], nil
}

// Engines are the programs of targets, and what is compiled of them for shapes and blocks.
type Engines struct {
	by       map[cacheKey]*window.Engine
	programs map[programsKey]*window.Programs
}

// programsKey is what programs are for. block is 0 under a sound lowering, where it does not
// matter.
type programsKey struct {
	target        window.Target
	window, block int
}

// NewEngines has none yet.
func NewEngines() *Engines {
	return &Engines{map[cacheKey]*window.Engine{}, map[programsKey]*window.Programs{}}
}

// Of is the engine of a case's target, shape and blocks.
func (e *Engines) Of(c *corpus.Case) (*window.Engine, error) {
	key := cacheKey{c.Target, c.Shape, c.Block}
	if x, ok := e.by[key]; ok {
		return x, nil
	}
	if len(e.by) >= maxRemembered {
		clear(e.by)
		clear(e.programs)
	}
	of := programsKey{c.Target, c.Shape.Window, c.Block}
	if c.Target.Lowering.Sound() {
		of.block = 0
	}
	p, ok := e.programs[of]
	if !ok {
		var err error
		if p, err = window.NewPrograms(c.Target, c.Shape.Window, c.Block); err != nil {
			return nil, err
		}
		e.programs[of] = p
	}
	x, err := p.Engine(c.Shape, c.Block)
	if err != nil {
		return nil, err
	}
	e.by[key] = x
	return x, nil
}

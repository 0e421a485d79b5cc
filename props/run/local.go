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
	caches  []targetCaches
	kept    int // caches of all targets
	engines Engines
	devices map[string]inplace.Device
}

// localCache is a cache as it is and as the judge asks it.
type localCache struct {
	*window.WindowCache
	subject judge.Subject
}

// targetCaches are those of a target. A case looks its target up in a short list: to hash
// a name for each case would take longer than some steps.
type targetCaches struct {
	target window.Target
	by     map[sizeKey]localCache
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

// maxRemembered bounds the caches and engines that are kept. The shapes of the
// benchmark's mix are 384; a cache of theirs, with its compiled plans, holds
// about 100 KiB.
const maxRemembered = 2048

// maxTargets bounds the list of targets: all that FuzzUpdate chooses among, and those of sim
// and host by turns, fit well.
const maxTargets = 64

// maxKept bounds the buffer of a cache that is kept, in bytes: all of them
// together stay under the 256 MiB that one case may take.
const maxKept = 64 << 10

func newLocal() *local {
	return &local{judge: judge.New(), engines: Engines{}, devices: map[string]inplace.Device{}}
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
		return l.judge.Program(ctx, c, p, device)
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

func (l *local) device(name string) (inplace.Device, error) {
	if d, ok := l.devices[name]; ok {
		return d, nil
	}
	d, err := inplace.NewDevice(name)
	if err == nil {
		l.devices[name] = d
	}
	return d, err
}

// empty is an empty cache for a case: a new one, or one that served an earlier
// case of the same shape. Large ones are not kept.
func (l *local) empty(c *corpus.Case) (localCache, error) {
	key := sizeKey{c.Shape, c.Block}
	of := l.of(c.Target)
	if cache, ok := of[key]; ok {
		cache.Recycle()
		return cache, nil
	}
	device, err := l.device(c.Target.Device)
	if err != nil {
		return localCache{}, err
	}
	e, err := l.engines.Of(c)
	if err != nil {
		return localCache{}, err
	}
	if l.kept >= maxRemembered {
		l.forget()
		of = l.of(c.Target)
	}
	cache := localCache{WindowCache: e.NewCache(device)}
	cache.subject = Cache(cache.WindowCache)
	if c.Shape.Bytes(c.Shape.Window) <= maxKept {
		of[key] = cache
		l.kept++
	}
	return cache, nil
}

// of are the caches of a target.
func (l *local) of(t window.Target) map[sizeKey]localCache {
	for i := range l.caches {
		if l.caches[i].target == t {
			return l.caches[i].by
		}
	}
	if len(l.caches) == maxTargets {
		l.forget()
	}
	l.caches = append(l.caches, targetCaches{t, map[sizeKey]localCache{}})
	return l.caches[len(l.caches)-1].by
}

// forget forgets all caches.
func (l *local) forget() {
	clear(l.caches)
	l.caches, l.kept = l.caches[:0], 0
}

// Engines are the compiled programs of targets, shapes and blocks.
type Engines map[cacheKey]*window.Engine

// Of compiles the programs of a case's target, shape and blocks, or remembers
// them.
func (e Engines) Of(c *corpus.Case) (*window.Engine, error) {
	key := cacheKey{c.Target, c.Shape, c.Block}
	if x, ok := e[key]; ok {
		return x, nil
	}
	x, err := window.NewEngine(c.Target, c.Shape, c.Block)
	if err != nil {
		return nil, err
	}
	if len(e) >= maxRemembered {
		clear(e)
	}
	e[key] = x
	return x, nil
}

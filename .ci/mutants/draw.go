package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// draw is the mutants of a package in the order drawn, and how many are still wanted.
type draw struct {
	in      *pkg
	sources map[string][]byte
	left    []mutant
	want    int
}

// newDraw draws all mutants of a package, those of the options' file alone if they name one.
func newDraw(all []*pkg, name string, o options) (*draw, error) {
	d := &draw{sources: map[string][]byte{}}
	for _, p := range all {
		if p.ImportPath == path.Join(module, name) {
			d.in = p
		}
	}
	if d.in == nil {
		return nil, fmt.Errorf("no package %s in this module", name)
	}
	for _, f := range d.in.GoFiles {
		file := path.Join(name, f)
		if !strings.HasPrefix(file, o.only) {
			continue
		}
		source, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			return nil, err
		}
		m, err := mutants(file, source)
		if err != nil {
			return nil, err
		}
		d.sources[file] = source
		d.left = append(d.left, m...)
	}
	d.shuffle(o.seed)
	return d, nil
}

func (d *draw) shuffle(seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	rng.Shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
}

// trial is a mutant that is tried, or that need not be, with what became of it.
type trial struct {
	*mutant
	of     *draw
	text   string
	reason string // why it is equivalent, else ""
	out    outcome
	by     string // the package whose tests killed it
	took   time.Duration
	err    error
	done   chan struct{}
}

// next takes as many mutants as are wanted.
func (d *draw) next(reasons map[key]string) (list []*trial) {
	for ; d.want > 0 && len(d.left) > 0; d.want-- {
		m := &d.left[0]
		d.left = d.left[1:]
		before, after := m.lines(d.sources[m.file])
		list = append(list, &trial{
			mutant: m, of: d, done: make(chan struct{}),
			text:   fmt.Sprintf("%s:%d %s: %s: %s => %s", m.file, m.line, m.function, m.operator, before, after),
			reason: reasons[key{m.file, m.function, before, after}],
		})
	}
	return list
}

// counts is what became of the mutants so far.
type counts struct{ killed, survived, equivalent, uncompilable int }

// tryAll tries mutants, some at once, and prints what becomes of each in their order.
// One that does not compile is wanted again from its package.
func (c *counts) tryAll(ctx context.Context, t *tester, list []*trial, jobs int) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	defer running.Wait()
	todo := make(chan *trial, len(list))
	for _, x := range list {
		todo <- x
	}
	close(todo)
	for range max(1, jobs) {
		running.Go(func() {
			for x := range todo {
				if x.reason == "" && ctx.Err() == nil {
					start := time.Now()
					x.out, x.by, x.err = t.try(ctx, x.mutant, x.of.in, x.of.sources[x.file])
					x.took = time.Since(start).Round(time.Second)
				}
				close(x.done)
			}
		})
	}
	for _, x := range list {
		<-x.done
		if err := errors.Join(x.err, ctx.Err()); err != nil {
			cancel()
			return err
		}
		switch {
		case x.reason != "":
			c.equivalent++
			fmt.Printf("equivalent %s (%s)\n", x.text, x.reason)
		case x.out == uncompilable:
			c.uncompilable++
			x.of.want++
		case x.out == killed:
			c.killed++
			fmt.Printf("killed %s (by %s, %s)\n", x.text, strings.TrimPrefix(x.by, module+"/"), x.took)
		default:
			c.survived++
			fmt.Printf("SURVIVED %s (%s)\n", x.text, x.took)
		}
	}
	return nil
}

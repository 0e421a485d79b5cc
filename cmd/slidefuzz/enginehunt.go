package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/props/run/engine"
)

// engineFlags are those of the commands that may run cases in an engine.
type engineFlags struct {
	name, fault string
	models      engine.Choice
	timeout     time.Duration   // of an answer, 0 for the driver's
	backend     *engine.Backend // once it was asked for
	close       func()          // ends what the driver has started; nil for nothing
}

// engineMaker makes the backend of an engine with a driver in Go. exec is the command of
// --exec, for those that drive a server, nil without.
type engineMaker struct {
	name string
	make func(f *engineFlags, exec []string) (b *engine.Backend, end func(), err error)
}

// engineMakers lists those that --engine knows. Others are workers, behind --exec.
var engineMakers = []engineMaker{
	{engine.ReferenceName, func(f *engineFlags, exec []string) (*engine.Backend, func(), error) {
		if exec != nil {
			return nil, nil, errors.New("--engine reference is in this program: leave --exec out")
		}
		b, err := engine.NewReference(f.fault, f.models)
		return b, nil, err
	}},
	{engine.LlamaCppName, func(f *engineFlags, exec []string) (*engine.Backend, func(), error) {
		if exec == nil {
			return nil, nil, errors.New("--engine llama.cpp needs the command of its server: --exec 'llama-server --parallel 2', or impls/engine/hunt.sh llama.cpp, which installs one")
		}
		return engine.NewLlamaCpp(exec, f.timeout, f.models)
	}},
	{engine.OllamaName, ollamaMaker},
	{engine.OllamaOneLess, ollamaMaker},
	{engine.TransformersName, nil}, // a worker, which backend starts
}

// ollamaMaker makes that of Ollama's server, under both of its names.
func ollamaMaker(f *engineFlags, exec []string) (*engine.Backend, func(), error) {
	if exec == nil {
		return nil, nil, fmt.Errorf("--engine %s needs the command of its server: --exec 'ollama serve', or impls/engine/hunt.sh ollama, which builds one", f.name)
	}
	return engine.NewOllama(f.name, exec, f.timeout, f.models)
}

func engineNames() []string {
	names := make([]string, len(engineMakers))
	for i, e := range engineMakers {
		names[i] = e.name
	}
	return names
}

// add adds the flags of every command that runs cases.
func (f *engineFlags) add(fs *flag.FlagSet) {
	fs.StringVar(&f.name, "engine", "", "run cases of engines in the engine `NAME`: "+strings.Join(engineNames(), ", ")+"; others are workers, behind --exec")
}

// addHunt adds those that say what a hunt in an engine draws.
func (f *engineFlags) addHunt(fs *flag.FlagSet) {
	fs.StringVar(&f.fault, "fault", "", "plant the fault `NAME` in the reference engine; docs/engines.md lists them")
	fs.Func("window", "hunt in an engine with windows of a comma-separated `LIST` alone", func(text string) error {
		for part := range strings.SplitSeq(text, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(part))
			if err != nil || n < 1 || n > impls.MaxExtent {
				return fmt.Errorf("%q: want windows from 1 on, as in 3,8", text)
			}
			f.models.Windows = append(f.models.Windows, n)
		}
		return nil
	})
	fs.Func("kind", "checkpoints of a `LIST` of kinds: "+strings.Join(corpus.ModelKinds(), ", "), someWords(&f.models.Kinds, corpus.ModelKinds()))
	fs.Func("arch", "checkpoints of a `LIST` of architectures: "+strings.Join(corpus.Archs(), ", "), someWords(&f.models.Archs, corpus.Archs()))
	fs.Func("dtype", "checkpoints of a `LIST` of element types: F32, F16, BF16", func(text string) error {
		var names []string
		if err := someWords(&names, []string{"F32", "F16", "BF16"})(text); err != nil {
			return err
		}
		for _, name := range names {
			d, err := impls.ParseDType(name)
			if err != nil {
				return err
			}
			f.models.DTypes = append(f.models.DTypes, d)
		}
		return nil
	})
}

// someWords is the value of a flag that is a list of some words.
func someWords(to *[]string, of []string) func(string) error {
	return func(text string) error {
		for part := range strings.SplitSeq(text, ",") {
			word := strings.TrimSpace(part)
			if !slices.Contains(of, word) {
				return fmt.Errorf("%q%s: want some of %s", word, didYouMean(word, of), strings.Join(of, ","))
			}
			*to = append(*to, word)
		}
		return nil
	}
}

// given reports whether the command line chooses checkpoints.
func (f *engineFlags) given() bool {
	m := f.models
	return f.fault != "" || len(m.Windows)+len(m.Kinds)+len(m.Archs)+len(m.DTypes) > 0
}

// about is what decides the cases of a hunt in an engine, beside its seed.
func (f *engineFlags) about() string {
	m := f.models
	return fmt.Sprintf(" engine %s %s windows %v kinds %v archs %v dtypes %v", f.name, f.fault, m.Windows, m.Kinds, m.Archs, m.DTypes)
}

// start makes the engine that --engine names; exec is the words of --exec.
func (f *engineFlags) start(exec []string) (err error) {
	i := slices.IndexFunc(engineMakers, func(e engineMaker) bool { return e.name == f.name })
	if i < 0 {
		return fmt.Errorf("--engine %s: no engine is called so%s; want %s, or a worker that has one with --exec", f.name, didYouMean(f.name, engineNames()), strings.Join(engineNames(), ", "))
	}
	if f.fault != "" && f.name != engine.ReferenceName {
		return fmt.Errorf("--fault %s: faults are planted in the reference engine alone: --engine %s", f.fault, engine.ReferenceName)
	}
	f.backend, f.close, err = engineMakers[i].make(f, exec)
	return err
}

// startWorker makes the engine of a worker, and reports whether it has one.
func (w *workerFlags) startEngine(ctx context.Context) (bool, error) {
	hello, err := w.client.Hello(ctx)
	if err != nil || hello.Model == nil {
		return false, err
	}
	if w.engine.fault != "" {
		return true, fmt.Errorf("--fault %s: faults are planted in the reference engine alone", w.engine.fault)
	}
	w.engine.backend, err = engine.NewWorker(ctx, w.client, w.engine.models)
	return true, err
}

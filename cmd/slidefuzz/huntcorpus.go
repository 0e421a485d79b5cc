package main

import (
	"errors"
	"flag"
	"fmt"
	"sync"

	"github.com/slidefuzz/slidefuzz/corpus/keep"
	"github.com/slidefuzz/slidefuzz/props/hunt"
)

// checkCorpus refuses flags that --corpus does not go together with, before anything is
// run.
func (o *huntOptions) checkCorpus(fs *flag.FlagSet) error {
	switch {
	case !isSet(fs, "corpus"):
		return nil
	case o.corpus == "":
		return errors.New("--corpus wants a folder, which is made where there is none")
	case o.shard.Of > 0:
		return errors.New("--corpus and --shard do not go together: shards must draw the same cases, and a folder is another after each; without --shard several hunts may share one folder, with a --seed each")
	case o.exhaustive:
		return errors.New("--exhaustive and --corpus do not go together: it runs every case within its bounds once")
	}
	return nil
}

// openCorpus opens the folder of --corpus for jobs, if it is given.
func (o *huntOptions) openCorpus(e *env, jobs []job) (err error) {
	if o.corpus == "" {
		return nil
	}
	if o.worker.engine.backend != nil {
		return errors.New("--corpus is not for engines: their cases are drawn anew each time")
	}
	for _, j := range jobs {
		if j.scenario != nil {
			return fmt.Errorf("--corpus is not for scenarios: %s has its own cases", j.scenario.Name)
		}
	}
	var mu sync.Mutex // targets are hunted at once
	o.folder, err = keep.Open(o.corpus, int64(*o.memory), func(err error) {
		mu.Lock()
		defer mu.Unlock()
		e.complain(fmt.Errorf("--corpus: left out: %w", err))
	})
	if err != nil {
		return fmt.Errorf("--corpus: %w", err)
	}
	return nil
}

// corpusOf is what a job goes on from, nil without --corpus.
func (o *huntOptions) corpusOf(j job) (hunt.Corpus, error) {
	if o.folder == nil {
		return nil, nil
	}
	t, err := o.folder.Of(j.target)
	if err != nil {
		return nil, fmt.Errorf("--corpus: %w", err)
	}
	return t, nil
}

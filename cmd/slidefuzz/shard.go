package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/props/hunt"
)

// shardFlag is --shard: a part of a hunt.
type shardFlag struct{ hunt.Shard }

func (s *shardFlag) String() string { return "" }

// name is the shard as the flag takes it, empty for none.
func (s shardFlag) name() string {
	if s.Of == 0 {
		return ""
	}
	return s.Shard.String()
}

// words is what the first line of a hunt says of its shard.
func (s shardFlag) words() string {
	if s.Of == 0 {
		return ""
	}
	return ", shard " + s.Shard.String()
}

// maxShards bounds the shards of a hunt: each draws all cases, so more of them draw
// more than they run.
const maxShards = 10_000

func (s *shardFlag) Set(text string) error {
	index, count, ok := strings.Cut(text, "/")
	if index == "env" {
		shard, err := shardOf(os.Getenv, count)
		s.Shard = shard
		return err
	}
	i, errI := strconv.Atoi(index)
	n, errN := strconv.Atoi(count)
	if !ok || errI != nil || errN != nil || n < 1 || n > maxShards || i < 1 || i > n {
		return fmt.Errorf("%q: want I/N, the I-th of N parts from 1/N to N/N, at most %d; or env, env/N for what the machine's scheduler says", text, maxShards)
	}
	s.Shard = hunt.Shard{Index: i - 1, Of: n}
	return nil
}

// The variables that say which shard a process is.
const (
	shardIndexEnv = "SLIDEFUZZ_SHARD_INDEX" // from 0, as GitHub's strategy.job-index
	shardsEnv     = "SLIDEFUZZ_SHARDS"
	kubernetesEnv = "JOB_COMPLETION_INDEX" // from 0; Kubernetes does not say how many there are
	slurmEnv      = "SLURM_ARRAY_TASK_ID"
)

// shardOf is the shard that the environment says, of so many where count is not
// empty.
func shardOf(get func(string) string, count string) (hunt.Shard, error) {
	number := func(name string) (int, error) {
		n, err := strconv.Atoi(get(name))
		if err != nil || n < 0 {
			return 0, fmt.Errorf("%s is %q: want a number", name, get(name))
		}
		return n, nil
	}
	var index, of int
	var from string
	var err error
	switch {
	case get(shardIndexEnv) != "":
		from = shardIndexEnv
		index, err = number(from)
	case get(kubernetesEnv) != "":
		from = kubernetesEnv
		index, err = number(from)
	case get(slurmEnv) != "":
		from = slurmEnv
		var first int
		if index, err = number(from); err == nil {
			first, err = number("SLURM_ARRAY_TASK_MIN")
		}
		if index -= first; err == nil && count == "" && get(shardsEnv) == "" {
			of, err = number("SLURM_ARRAY_TASK_COUNT")
		}
	default:
		return hunt.Shard{}, fmt.Errorf("env: none of %s, %s and %s is set; want I/N", shardIndexEnv, kubernetesEnv, slurmEnv)
	}
	if err != nil {
		return hunt.Shard{}, err
	}
	switch {
	case count != "":
		if of, err = strconv.Atoi(count); err != nil {
			return hunt.Shard{}, fmt.Errorf("env/%s: want a number of shards", count)
		}
	case of == 0 && get(shardsEnv) == "":
		return hunt.Shard{}, fmt.Errorf("%s is %d, but of how many nobody says: want --shard env/N, or %s", from, index, shardsEnv)
	case of == 0:
		if of, err = number(shardsEnv); err != nil {
			return hunt.Shard{}, err
		}
	}
	if of < 1 || of > maxShards || index < 0 || index >= of {
		return hunt.Shard{}, fmt.Errorf("%s says shard %d of %d: want an index below the number, and a number up to %d; an array's numbers must have no gaps", from, index, of, maxShards)
	}
	return hunt.Shard{Index: index, Of: of}, nil
}

// checkShard refuses flags that leave a shard without its hunt.
func (o *huntOptions) checkShard(fs *flag.FlagSet) error {
	switch {
	case o.shard.Of == 0:
		return nil
	case !isSet(fs, "seed"):
		return errors.New("--shard wants --seed N: all shards draw the same cases, and each runs its own")
	case o.out == "":
		return errors.New("--shard wants -o DIR: what a shard found is written there, for slidefuzz merge")
	}
	return nil
}

package hunt

import (
	"time"

	"github.com/slidefuzz/slidefuzz/props/run"
)

// Runner runs, shrinks and replays cases.
type Runner struct {
	*run.Backends
	// ShrinkTime bounds the shrinking of one finding in what is not ours, 0 for
	// DefaultShrinkTime.
	ShrinkTime time.Duration
}

// Local is a Runner of the backends of this process.
func Local() *Runner { return &Runner{Backends: run.Local()} }

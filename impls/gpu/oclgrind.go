package gpu

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// judgedCells is the most cells of a block that Oclgrind judges: a work-item
// keeps them all.
const judgedCells = 64

// Oclgrind is an OpenCL implementation that interprets kernels and reports
// data races, whatever order the work-items ran in.
type Oclgrind struct {
	device *Device
	log    string
}

// NewOclgrind opens it; dir is an empty folder for its log. A *MissingError
// says that this machine has none.
func NewOclgrind(ctx context.Context, dir string) (*Oclgrind, error) {
	o := &Oclgrind{&Device{Name: "oclgrind"}, filepath.Join(dir, "races")}
	o.device.env = []string{
		"OCLGRIND_DATA_RACES=1", "OCLGRIND_UNIFORM_WRITES=1", "OCLGRIND_NUM_THREADS=1",
		"OCLGRIND_MAX_ERRORS=2000000000", // it reports no more races after so many
		"OCLGRIND_LOG=" + o.log,
	}
	_, err := o.device.About(ctx)
	return o, err
}

// Races reports for each kernel of a trace, its Move steps in order, whether
// Oclgrind sees a race with one work-item a block.
func (o *Oclgrind) Races(ctx context.Context, s *inplace.Trace) ([]bool, error) {
	b := encode([]*inplace.Trace{s}, false)
	if b.err != nil {
		return nil, b.err
	}
	r := &judgeRequest{Run: *b.request(), Log: o.log, Blocks: make([]int, len(s.Steps))}
	for i := range s.Steps {
		if k := s.Steps[i].Kernel; k != nil {
			if k.Block > judgedCells {
				return nil, fmt.Errorf("blocks of %d cells; Oclgrind judges at most %d", k.Block, judgedCells)
			}
			r.Blocks[i] = k.Blocks()
		}
	}
	o.device.mu.Lock()
	defer o.device.mu.Unlock()
	rep, err := o.device.ask(ctx, &request{Judge: r})
	if err != nil {
		return nil, err
	}
	var races []bool
	for i := range s.Steps {
		if s.Steps[i].Kind == inplace.Move {
			races = append(races, rep.Racy[i])
		}
	}
	return races, nil
}

// Close ends its process and empties the log.
func (o *Oclgrind) Close() error {
	o.device.Close()
	return os.RemoveAll(o.log)
}

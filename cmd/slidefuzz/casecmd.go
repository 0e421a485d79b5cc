package main

import (
	"fmt"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/props"
)

func replay(e *env, args []string) error {
	f := e.flags()
	limit := memory(corpus.DefaultLimit)
	times := f.Int("times", 1, "run each case so many `times`")
	f.Var(&limit, "memory", "most `memory` that a case may take")
	files, err := e.parse(f, args)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("which case? slidefuzz replay FILE…")
	}
	r := props.NewRunner()
	r.Limit = int64(limit)
	bad := false
	for _, file := range files {
		c, err := corpus.ReadFile(file, r.Limit)
		if err != nil {
			return err
		}
		met := 0
		var last *corpus.Divergence
		for range *times {
			if e.ctx.Err() != nil {
				return e.ctx.Err()
			}
			d, err := r.Run(c)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			last = d
			if meets(c, d) {
				met++
			}
		}
		what := "agrees with the oracle"
		if last != nil {
			what = last.String()
		}
		fmt.Fprintf(e.stdout, "%s: %s: %s\n", file, c.Target, what)
		if c.Expect != nil {
			fmt.Fprintf(e.stdout, "%s: as expected %d of %d times: %s\n", file, met, *times, c.Expect)
		}
		bad = bad || met < *times
	}
	if bad {
		return errUnexpected
	}
	return nil
}

// meets reports whether an outcome is the one that a case expects; without
// expect, agreement.
func meets(c *corpus.Case, d *corpus.Divergence) bool {
	if c.Expect == nil {
		return d == nil
	}
	return c.Expect.Meets(d)
}

// failing reads a case and runs it; it must diverge.
func failing(r *props.Runner, file string) (*corpus.Case, *corpus.Divergence, error) {
	c, err := corpus.ReadFile(file, r.Limit)
	if err != nil {
		return nil, nil, err
	}
	d, err := r.Run(c)
	if err == nil && d == nil {
		err = fmt.Errorf("%s agrees with the oracle: there is nothing to shrink or report", c.Target)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, d, nil
}

func minimize(e *env, args []string) error {
	f := e.flags()
	limit := memory(corpus.DefaultLimit)
	out := f.String("o", "", "write the small case to this `file` instead of standard output")
	most := f.Duration("time", 10*time.Minute, "shrink at most so `long`")
	f.Var(&limit, "memory", "most `memory` that a case may take")
	files, err := e.parse(f, args)
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return fmt.Errorf("want one case: slidefuzz minimize FILE")
	}
	r := props.NewRunner()
	r.Limit = int64(limit)
	c, d, err := failing(r, files[0])
	if err != nil {
		return err
	}
	ctx, stop := e.contextFor(*most)
	defer stop()
	small, d, stats, err := r.Minimize(ctx, c, d)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "%s\n%d runs; %s\n", d, stats.Runs, howSmall(stats))
	if *out != "" {
		return small.WriteFile(*out)
	}
	_, err = e.stdout.Write(small.Text())
	return err
}

func howSmall(s corpus.ShrinkStats) string {
	switch {
	case s.Minimal:
		return "every smaller case was tried: this is the smallest"
	case s.Bounded:
		return "stopped before the end: a smaller case may exist"
	}
	return "no single step makes it smaller"
}

func report(e *env, args []string) error {
	f := e.flags()
	limit := memory(corpus.DefaultLimit)
	out := f.String("o", "", "the `directory` to write (default: the file's name with -report)")
	f.Var(&limit, "memory", "most `memory` that a case may take")
	files, err := e.parse(f, args)
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return fmt.Errorf("want one case: slidefuzz report FILE")
	}
	r := props.NewRunner()
	r.Limit = int64(limit)
	c, d, err := failing(r, files[0])
	if err != nil {
		return err
	}
	dir := *out
	if dir == "" {
		dir = files[0] + "-report"
	}
	if err := (corpus.Report{Case: c, Divergence: d, Versions: versions()}).WriteDir(dir); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%s\nwrote %s\n", d, dir)
	return nil
}

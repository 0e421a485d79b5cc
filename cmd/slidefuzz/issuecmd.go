package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/props/run/engine"
)

// issueTableName is the file of a table in the folder of -o.
const issueTableName = "issue-159855.json"

// isIssue reports whether a hunt is the test of pytorch#159855 in an engine.
func (o *huntOptions) isIssue(args []string) bool {
	return len(args) == 1 && args[0] == corpus.IssueName && (o.worker.engine.name != "" || o.worker.exec != "")
}

// issue runs the test of pytorch#159855 in the engine of a worker.
func (o *huntOptions) issue(ctx context.Context, e *env, runs int) (int, error) {
	if o.worker.exec == "" {
		return 0, fmt.Errorf("%s in an engine needs its worker: --exec 'python3 impls/worker/python/transformers_issue.py --attention sdpa'", corpus.IssueName)
	}
	if _, err := o.worker.backend(ctx); err != nil {
		return 0, err
	}
	defer o.worker.kill()
	if o.worker.client == nil || o.worker.engine.backend == nil {
		return 0, errors.New("--exec: the worker has a cache and no engine; leave out " + corpus.IssueName)
	}
	if err := o.checkOutput(); err != nil {
		return 0, err
	}
	t, err := engine.RunIssue(ctx, o.worker.client, engine.Issue{
		Choice: o.worker.engine.models, Runs: runs, Within: o.time,
		Say: func(r engine.IssueRow) { fmt.Fprintln(e.out, r.String()) },
	})
	if t != nil && o.out != "" {
		text, marshal := json.MarshalIndent(t, "", " ")
		err = errors.Join(err, marshal, os.WriteFile(filepath.Join(o.out, issueTableName), append(text, '\n'), 0o644))
	}
	if err != nil {
		return 0, err
	}
	for i := range t.Rows {
		if t.Rows[i].Unexpected() {
			return exitUnexpected, nil
		}
	}
	return exitOK, nil
}

var issueTableCommand = command{
	name:  "engine table",
	args:  "DIR…",
	about: "join what hunt issue-159855 wrote for some attentions of an engine",
	long: `
Prints the table of the test of pytorch#159855, in Markdown, from the folders that
slidefuzz hunt issue-159855 --engine NAME -o DIR has written, one for each attention.
Exits with 1 where a run was wrong or not made, where an attention lacks a row that
another has of the same checkpoint, or where attentions decode other tokens. A checkpoint
that an attention does not take is a dash; the canary, a shift that PyTorch 2.11 compiles
wrongly, is told. Both decide nothing.`,
	flags: func(*flag.FlagSet) action {
		return func(_ context.Context, e *env, args []string) (int, error) {
			if len(args) == 0 {
				return 0, errors.New("want folders of slidefuzz hunt issue-159855 --engine NAME -o DIR")
			}
			var tables []*engine.IssueTable
			for _, dir := range args {
				text, err := os.ReadFile(filepath.Join(dir, issueTableName))
				if err != nil {
					return 0, err
				}
				t := &engine.IssueTable{}
				if err := json.Unmarshal(text, t); err != nil {
					return 0, fmt.Errorf("%s: %w", filepath.Join(dir, issueTableName), err)
				}
				tables = append(tables, t)
			}
			ok, err := engine.WriteIssue(e.out, tables)
			if err == nil && !ok {
				return exitUnexpected, nil
			}
			return exitOK, err
		}
	},
}

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/slidefuzz/slidefuzz/props/hunt"
)

// shardRecord is a record that was read.
type shardRecord struct {
	path string
	recordHead
	jobs []recordedJob
	end  *recordStop // nil where the shard died
	torn bool        // a line is not whole: it and what follows is not read
}

type recordedJob struct {
	notes   []hunt.Note
	done    int
	result  *recordEnd // nil where the shard died before
	reports []*keptReport
}

// whole reports whether the shard came to its end.
func (s *shardRecord) whole() bool { return s.end != nil && !s.end.Interrupted }

// records finds those of a folder, or of its folders where it has none itself.
func records(dir string) ([]string, error) {
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is no such folder; want the -o of a hunt --shard", dir)
	} else if err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s: want the folder of hunt --shard, not a file", dir)
	}
	for _, pattern := range []string{"shard*.jsonl", "*/shard*.jsonl"} {
		names, err := filepath.Glob(filepath.Join(globQuote(dir), pattern))
		if err != nil {
			return nil, err
		}
		if len(names) > 0 {
			slices.Sort(names)
			return names, nil
		}
	}
	return nil, fmt.Errorf("%s: no %s: it is not the folder of a hunt --shard", dir, recordName)
}

// globQuote is a path that matches itself.
func globQuote(path string) string {
	var b bytes.Buffer
	for _, c := range []byte(path) {
		if bytes.IndexByte([]byte(`*?[\`), c) >= 0 && (c != '\\' || filepath.Separator != '\\') {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

// readRecord reads a record, up to a line that is not whole.
func readRecord(path string) (*shardRecord, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &shardRecord{path: path}
	lines := bufio.NewReader(f)
	head, err := lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(head, &s.recordHead)
	}
	if err != nil || s.Format != recordFormat {
		return nil, fmt.Errorf("%s: it does not begin as %q does: not the record of a shard, or of another version", path, recordFormat)
	}
	s.jobs = make([]recordedJob, len(s.Targets))
	for {
		data, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			s.torn = len(data) > 0
			return s, nil
		}
		if err != nil {
			return nil, err
		}
		var x recordLine
		if err := json.Unmarshal(data, &x); err != nil || x.End == nil && (x.Job < 0 || x.Job >= len(s.jobs)) {
			s.torn = true // what stands before it counts
			return s, nil
		}
		if x.End != nil {
			s.end = x.End
			continue
		}
		j := &s.jobs[x.Job]
		switch {
		case x.Note != nil:
			j.notes = append(j.notes, *x.Note)
		case x.Result != nil:
			j.result = x.Result
		case x.Report != nil && x.Report.Report != nil:
			j.reports = append(j.reports, x.Report)
		}
		j.done = max(j.done, x.Done)
	}
}

package engine

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Write writes the checkpoint into dir, which it makes where it is missing: for HF the
// files of a Hugging Face folder, whose path is dir; for GGUF one file, whose path it
// returns. The same Model gives the same bytes.
func (m Model) Write(dir string, f Format) (path string, err error) {
	if err := m.Check(); err != nil {
		return "", err
	}
	weights, err := m.weights()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	switch f {
	case HF:
		return dir, m.writeFolder(dir, weights)
	case GGUF:
		path := filepath.Join(dir, "model.gguf")
		return path, create(path, func(w io.Writer) error { return m.writeGGUF(w, weights) })
	}
	return "", fmt.Errorf("format %q: want %s or %s", f, HF, GGUF)
}

// create writes a file through a buffer.
func create(path string, write func(io.Writer) error) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(file, 1<<20)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if e := file.Close(); err == nil {
		err = e
	}
	return err
}

// elements is the number of numbers of a tensor.
func (w *weight) elements() int { return max(1, w.rows) * w.cols }

// write writes a tensor row by row, less one where its file wants a norm so. interleave
// gives the rows of a head with rotary positions in the order in which pair i is
// elements 2i and 2i+1.
func (w *weight) write(out io.Writer, d impls.DType, less float64, interleave bool) error {
	row := make([]byte, 0, w.cols*d.Size())
	if w.rows == 0 {
		for range w.cols {
			row = appendFloat(row, w.fill-less, d)
		}
		_, err := out.Write(row)
		return err
	}
	for r := range w.rows {
		if w.heads > 0 && interleave {
			dim := w.rows / w.heads
			e := r % dim
			r += e/2 + e%2*(dim/2) - e
		}
		row = row[:w.cols*d.Size()]
		clear(row)
		for _, c := range w.cells[r] {
			// A cell's place is filled in by appending to what lies before it.
			appendFloat(row[:c.col*d.Size()], c.value, d)
		}
		if _, err := out.Write(row); err != nil {
			return err
		}
	}
	return nil
}

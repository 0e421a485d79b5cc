package engine

import "errors"

// Write writes the checkpoint into dir, which it makes where it is missing: for HF the
// files of a Hugging Face folder, whose path is dir; for GGUF one file, whose path it
// returns. The same Model gives the same bytes.
func (m Model) Write(dir string, f Format) (path string, err error) {
	if err := m.Check(); err != nil {
		return "", err
	}
	return "", errors.New("not written yet")
}

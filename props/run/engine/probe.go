package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// probe is a checkpoint whose logits can be read.
type probe interface {
	Checkpoint() judge.Checkpoint
	// Write writes it below a folder, unless it is there, and returns its path.
	Write(ctx context.Context, folder string, f engine.Format) (path string, err error)
	// Read reads a row of logits; with largest the largest alone, the others being -Inf.
	Read(logits []float32, largest bool) judge.Reading
}

// modelOf is the checkpoint of a case.
func modelOf(c *corpus.Case) corpus.WindowModel {
	return corpus.WindowModel{Window: c.Shape.Window, Model: c.Engine.Model}
}

// toModel is the same as package engine has it.
func toModel(m corpus.WindowModel) engine.Model {
	return engine.Model{
		Arch: m.Arch, Kind: m.Kind, Window: m.Window, Layers: m.Layers, Heads: m.Heads, KVHeads: m.KVHeads,
		HeadDim: m.Dim, DType: m.DType, Seed: m.Seed,
	}
}

// checkpoint is a probe of package engine.
type checkpoint struct{ engine.Model }

func modelProbe(m corpus.WindowModel) (probe, error) {
	p := checkpoint{toModel(m)}
	return p, p.Check()
}

func (p checkpoint) Checkpoint() judge.Checkpoint {
	sliding := make([]bool, p.Layers)
	for l := range sliding {
		sliding[l] = p.Sliding(l)
	}
	return judge.Checkpoint{Identities: p.Identities(), Padding: p.Padding(), Sliding: sliding}
}

var roles = map[engine.Role]judge.Role{engine.Uniform: judge.Uniform, engine.Balanced: judge.Balanced, engine.Lookup: judge.Lookup, engine.Position: judge.Distance}

func (p checkpoint) Read(logits []float32, largest bool) judge.Reading {
	read := p.Model.Read
	if largest {
		read = p.ReadLargest
	}
	got, err := read(logits)
	if err != nil {
		return judge.Reading{Err: err}
	}
	r := judge.Reading{Heads: make([][]judge.Attention, len(got.Heads))}
	for l, heads := range got.Heads {
		r.Heads[l] = make([]judge.Attention, len(heads))
		for h, x := range heads {
			r.Heads[l][h] = judge.Attention{Role: roles[x.Role], Offset: x.Offset, Shares: x.Shares, Padding: x.Padding, Other: x.Other, Empty: x.Empty, Crowded: x.Crowded}
		}
	}
	return r
}

// Folder is where checkpoints are kept: below $SLIDEFUZZ_CACHE, or below the cache of
// the user.
func Folder() (string, error) {
	root := os.Getenv("SLIDEFUZZ_CACHE")
	if root == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no folder for checkpoints: %w; set SLIDEFUZZ_CACHE", err)
		}
		root = filepath.Join(user, "slidefuzz")
	}
	return filepath.Join(root, "checkpoints"), nil
}

// Write writes the checkpoint into a folder that is named after it and what is in it, by
// renaming: what lies there is whole, and is what this version of the program writes.
func (p checkpoint) Write(ctx context.Context, folder string, f engine.Format) (path string, err error) {
	if folder == "" {
		if folder, err = Folder(); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(folder, ".new-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil { // MkdirTemp's only its owner can read
		return "", err
	}
	written, err := p.Model.Write(temp, f)
	if err != nil {
		return "", err
	}
	sum, err := sumOf(ctx, temp)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(folder, fmt.Sprintf("%s-%s-w%d-l%d-h%d-kv%d-d%d-%s-s%d-%s-%s",
		p.Arch, p.Kind, p.Window, p.Layers, p.Heads, p.KVHeads, p.HeadDim, p.DType, p.Seed, f, sum))
	inside, err := filepath.Rel(temp, written)
	if err != nil {
		return "", err
	}
	if err := os.Rename(temp, dir); err != nil {
		if _, there := os.Stat(dir); there != nil {
			return "", errors.Join(err, there)
		}
	}
	return filepath.Abs(filepath.Join(dir, inside))
}

// sumOf is a hash of the files of a folder.
func sumOf(ctx context.Context, dir string) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		fmt.Fprintf(h, "%s\n", d.Name())
		_, err = io.Copy(h, file)
		return err
	})
	return hex.EncodeToString(h.Sum(nil))[:12], err
}

// hashStart and hashRow are FNV-1a over the bits of logits.
const hashStart, hashPrime = 14695981039346656037, 1099511628211

func hashRow(h uint64, row []float32) uint64 {
	for _, x := range row {
		h = (h ^ uint64(math.Float32bits(x))) * hashPrime
	}
	return h
}

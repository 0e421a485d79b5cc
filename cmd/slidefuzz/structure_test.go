package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// goFiles parses the Go files of the module, without those of its tests.
func goFiles(t *testing.T) (files map[string]*ast.File) {
	t.Helper()
	files = map[string]*ast.File{}
	set := token.NewFileSet()
	root := filepath.Join("..", "..")
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() != ".." && strings.HasPrefix(d.Name(), "."), d.Name() == "testdata":
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files[path], err = parser.ParseFile(set, path, nil, 0)
		return err
	}))
	return files
}

// A context is handed on, and kept in no struct: what waits can be seen to end.
func TestNoContextInAStruct(t *testing.T) {
	files := goFiles(t)
	require.Greater(t, len(files), 50)
	for path, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.StructType)
			if !ok {
				return true
			}
			for _, f := range s.Fields.List {
				x, ok := f.Type.(*ast.SelectorExpr)
				if !ok || x.Sel.Name != "Context" {
					continue
				}
				if pkg, ok := x.X.(*ast.Ident); ok && pkg.Name == "context" {
					assert.Fail(t, "a context in a struct", "%s: %v", path, f.Names)
				}
			}
			return true
		})
	}
}

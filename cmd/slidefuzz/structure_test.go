package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
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
		files[path], err = parser.ParseFile(set, path, nil, parser.ParseComments)
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

const module = "github.com/slidefuzz/slidefuzz"

// layers are the arrows of CONTRIBUTING.md: what each package may need of ours,
// itself and by way of others. The key of a package stands for those below it that
// have no key of their own.
var layers = map[string][]string{
	"impls":                   {},
	"oracle":                  {},
	"impls/printable":         {},
	"impls/subprocess":        {"impls/printable"},
	"impls/inplace":           {"impls"},
	"impls/caches":            {"impls"},
	"impls/window":            {"impls", "impls/caches", "impls/inplace"},
	"impls/gpu":               {"impls", "impls/inplace", "impls/printable", "impls/subprocess"},
	"impls/worker":            {"impls", "impls/inplace", "impls/printable", "impls/subprocess"},
	"impls/engine":            {"impls", "impls/inplace", "impls/printable", "impls/subprocess", "impls/worker"},
	"impls/engine/llamacpp":   {"impls", "impls/engine", "impls/inplace", "impls/printable", "impls/subprocess", "impls/worker"},
	"impls/engine/ollama":     {"impls", "impls/engine", "impls/inplace", "impls/printable", "impls/subprocess", "impls/worker"},
	"impls/engine/reference":  {"impls", "impls/caches", "impls/engine", "impls/inplace", "impls/printable", "impls/subprocess", "impls/window", "impls/worker"},
	"corpus":                  {"impls", "impls/caches", "impls/inplace", "impls/window", "oracle"},
	"corpus/fuzzfile":         {},
	"corpus/cover":            {},
	"corpus/cover/instrument": {"corpus/cover"},
	"corpus/shrink":           {"corpus", "impls", "impls/caches", "impls/inplace", "impls/window", "oracle"},
	"corpus/evolve":           {"corpus", "impls", "impls/caches", "impls/inplace", "impls/window", "oracle"},
	"corpus/keep":             {"corpus/evolve", "corpus", "impls", "impls/caches", "impls/inplace", "impls/window", "oracle"},
	"corpus/report":           {"corpus", "impls", "impls/caches", "impls/inplace", "impls/window", "oracle"},
	"props/judge":             {"corpus", "impls", "impls/caches", "impls/inplace", "impls/printable", "impls/window", "oracle"},
	"props/run":               {"corpus", "impls", "impls/caches", "impls/inplace", "impls/printable", "impls/window", "oracle", "props/judge"},
	"props/run/gpu": {
		"corpus", "impls", "impls/caches", "impls/gpu", "impls/inplace", "impls/printable", "impls/subprocess", "impls/window", "oracle", "props/judge", "props/run",
	},
	"props/run/worker": {
		"corpus", "impls", "impls/caches", "impls/inplace", "impls/printable", "impls/subprocess", "impls/window", "impls/worker", "oracle", "props/judge", "props/run",
	},
	"props/run/engine": {
		"corpus", "impls", "impls/caches", "impls/engine", "impls/engine/llamacpp", "impls/engine/ollama", "impls/engine/reference", "impls/inplace", "impls/printable", "impls/subprocess",
		"impls/window", "impls/worker", "oracle", "props/judge", "props/run",
	},
	"props/hunt": {"corpus", "corpus/evolve", "corpus/shrink", "impls", "impls/caches", "impls/inplace", "impls/printable", "impls/window", "oracle", "props/judge", "props/run"},
	"props":      {"corpus", "corpus/evolve", "corpus/report", "corpus/shrink", "impls", "impls/caches", "impls/inplace", "impls/printable", "impls/window", "oracle", "props/hunt", "props/judge", "props/run"},
	"fuzz":       {}, // tests alone
	// What builds them for libFuzzer.
	"fuzz/libfuzzer/convert": {"corpus/fuzzfile"},
	"fuzz/libfuzzer/testing": {},
}

// deps lists what a package needs, itself left out.
func deps(t *testing.T, pkg string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", module+"/"+pkg)
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	require.NoError(t, err)
	return slices.DeleteFunc(strings.Fields(string(out)), func(s string) bool { return s == module+"/"+pkg })
}

// Imports go the way of the arrows.
func TestArrows(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "./...")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	require.NoError(t, err)
	for _, pkg := range strings.Fields(string(out)) {
		name := strings.TrimPrefix(pkg, module+"/")
		if strings.HasPrefix(name, "cmd/") || strings.HasPrefix(name, "docs/") {
			continue // they may need anything
		}
		allowed, ok := layers[name]
		require.True(t, ok, "%s stands in no layer", name)
		for _, dep := range deps(t, name) {
			if ours, ok := strings.CutPrefix(dep, module+"/"); ok {
				assert.Contains(t, allowed, ours, "%s needs %s", name, ours)
			}
		}
	}
}

// Who tests a cache of his own gets no driver, no process and no worker with it.
func TestPropsIsLight(t *testing.T) {
	for _, dep := range deps(t, "props") {
		for _, heavy := range []string{"os/exec", "purego", module + "/impls/gpu", module + "/impls/worker", module + "/impls/engine", module + "/impls/subprocess"} {
			assert.NotContains(t, dep, heavy)
		}
	}
}

// No table that others read can be changed by them: error values apart, a variable
// is exported by nobody.
func TestNoExportedVariable(t *testing.T) {
	for path, file := range goFiles(t) {
		for _, decl := range file.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.VAR || file.Name.Name == "main" {
				continue
			}
			for _, spec := range d.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if name.IsExported() && !strings.HasPrefix(name.Name, "Err") {
						assert.Fail(t, "an exported variable", "%s: %s", path, name.Name)
					}
				}
			}
		}
	}
}

// Whoever reads go doc finds a sentence at everything that is exported.
func TestExportedIsDocumented(t *testing.T) {
	for path, file := range goFiles(t) {
		if file.Name.Name == "main" || strings.HasSuffix(file.Name.Name, "_test") {
			continue
		}
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if !d.Name.IsExported() || d.Doc != nil {
					continue
				}
				if d.Recv != nil {
					recv := d.Recv.List[0].Type
					if star, ok := recv.(*ast.StarExpr); ok {
						recv = star.X
					}
					// A method of a type that nobody sees, or one whose name says it.
					if id, ok := recv.(*ast.Ident); ok && !id.IsExported() || d.Name.Name == "String" || d.Name.Name == "Error" {
						continue
					}
				}
				assert.Fail(t, "no doc", "%s: %s", path, d.Name)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
							assert.Fail(t, "no doc", "%s: %s", path, s.Name)
						}
					case *ast.ValueSpec:
						if s.Names[0].IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
							assert.Fail(t, "no doc", "%s: %s", path, s.Names[0])
						}
					}
				}
			}
		}
	}
}

package instrument

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/slidefuzz/slidefuzz/corpus/cover"
)

// The harness is text, since it becomes part of programs that know nothing of this
// module. Behind it comes what runs a fuzz target, or cases.
var (
	//go:embed harness.txt
	harness string
	//go:embed fuzz.txt
	fuzzMain string
	//go:embed cases.txt
	casesMain string
)

const module = "github.com/slidefuzz/slidefuzz"

// batch is how many inputs a process runs: it starts in some 20 ms, and what its
// inputs write to disk is a few megabytes.
const batch = 256

// allowLinkname is for slidefuzzCoverPrepare of the harness.
const allowLinkname = "-ldflags=-checklinkname=0"

// MissingError is what this machine lacks.
type MissingError struct{ What string }

func (e *MissingError) Error() string { return e.What }

// Target is a fuzz target.
type Target struct {
	ImportPath string // of its package
	Dir        string // the package's folder
	Name       string // FuzzX
	module     string
	pkg        string // the name in its package clause, which may end in _test
}

// Program is a program with counters, built. Close deletes it.
type Program struct {
	tmp, binary, dir string
	args             []string
	fuzz             bool
	once             sync.Once
	meta             *cover.Meta // once an input has run
	metaErr          error
}

// Close deletes what was built.
func (p *Program) Close() error { return os.RemoveAll(p.tmp) }

// Meta says which blocks the program has; it is nil before an input has run.
func (p *Program) Meta() *cover.Meta { return p.meta }

// goTool runs the go command in a folder and returns what it prints.
func goTool(ctx context.Context, dir string, args ...string) ([]byte, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		return nil, &MissingError{"the go command is needed to build a program with coverage counters, and it is not in PATH; install Go from go.dev"}
	}
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Dir = dir
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, bytes.TrimSpace(complaint.Bytes()))
	}
	return out.Bytes(), nil
}

// FindTarget finds a fuzz target by PACKAGE.FuzzNAME, the package as the go
// command takes it, or by FuzzNAME alone, for the package of the folder that the
// process is in.
func FindTarget(ctx context.Context, name string) (*Target, error) {
	pkg := "."
	if at := strings.LastIndex(name, ".Fuzz"); at >= 0 {
		pkg, name = name[:at], name[at+1:]
		if pkg == "" {
			pkg = "."
		}
	} else if at := strings.LastIndex(name, "/"); at >= 0 || !strings.HasPrefix(name, "Fuzz") {
		return nil, fmt.Errorf("%q names no fuzz target: want one like ./cache.FuzzRing, or FuzzRing for that of this folder", name)
	}
	out, err := goTool(ctx, "", "list", "-json=Dir,ImportPath,Module,TestGoFiles,XTestGoFiles", "--", pkg)
	if err != nil {
		return nil, err
	}
	var p struct {
		Dir, ImportPath string
		Module          *struct{ Path string }
		TestGoFiles     []string
		XTestGoFiles    []string
	}
	if err := json.Unmarshal(out, &p); err != nil {
		return nil, fmt.Errorf("%s is not one package: %w; want one like ./cache.FuzzRing", pkg, err)
	}
	var others []string
	for _, file := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Fuzz") {
				continue
			}
			if fn.Name.Name == name {
				t := &Target{ImportPath: p.ImportPath, Dir: p.Dir, Name: name, pkg: f.Name.Name}
				if p.Module != nil {
					t.module = p.Module.Path
				}
				return t, nil
			}
			others = append(others, fn.Name.Name)
		}
	}
	if len(others) == 0 {
		return nil, fmt.Errorf("%s has no fuzz target", p.ImportPath)
	}
	return nil, fmt.Errorf("%s has no %s; it has %s", p.ImportPath, name, strings.Join(others, ", "))
}

// Seeds is the folder of the target's inputs that its repository keeps.
func (t *Target) Seeds() string { return filepath.Join(t.Dir, "testdata", "fuzz", t.Name) }

// Cache is the folder of inputs that go test -fuzz found interesting on this
// machine.
func (t *Target) Cache(ctx context.Context) (string, error) {
	out, err := goTool(ctx, "", "env", "GOCACHE")
	if err != nil {
		return "", err
	}
	return filepath.Join(strings.TrimSpace(string(out)), "fuzz", filepath.FromSlash(t.ImportPath), t.Name), nil
}

// Build builds the target's test binary with counters in the packages that match
// patterns as go test -coverpkg takes them; none stands for those of its module.
//
// A file is added to the package for the time of the build, by -overlay: the
// sources on disk stay as they are. It has a fuzz target for each input of a
// process, which adds the input as the first seed and then calls the target; run by
// -test.run, each runs that seed and clears and reads the counters around it. So
// the target's own set-up runs for each input, as in a process of its own, and what
// it does with testing.F is what it always does.
func (t *Target) Build(ctx context.Context, patterns string) (*Program, error) {
	if patterns == "" {
		patterns = t.ImportPath
		if t.module != "" {
			patterns = t.module + "/..."
		}
	}
	imports := "slidefuzzTesting \"testing\""
	var main strings.Builder
	main.WriteString(strings.ReplaceAll(fuzzMain, "TARGET", t.Name))
	for n := range batch {
		fmt.Fprintf(&main, "func %s(f *slidefuzzTesting.F) { slidefuzzCoverRun(f, %d) }\n", inputName(n), n)
	}
	p := &Program{dir: t.Dir, fuzz: true}
	text := source(t.pkg, imports, main.String())
	err := p.build(text, func(file, binary string) error {
		// A name that no source has: it sorts last among the files of the package.
		in := filepath.Join(t.Dir, "zz_slidefuzz_cover_test.go")
		overlay, err := json.Marshal(map[string]map[string]string{"Replace": {in: file}})
		if err != nil {
			return err
		}
		list := file + ".overlay.json"
		if err := os.WriteFile(list, overlay, 0o644); err != nil {
			return err
		}
		_, err = goTool(ctx, t.Dir, "test", "-c", "-o", binary, "-overlay", list, "-cover", "-covermode=atomic", "-coverpkg="+patterns, allowLinkname, ".")
		return err
	})
	p.args = []string{"-test.run=^" + inputPrefix + "[0-9]+$/^seed#0$", "-test.v=test2json", "-test.timeout=0"}
	return p, err
}

// inputPrefix begins the names of the fuzz targets of the harness.
const inputPrefix = "FuzzSlidefuzzCover"

// inputName is the fuzz target for an input of a process.
func inputName(n int) string { return fmt.Sprintf("%s%04d", inputPrefix, n) }

// BuildCases builds a program that runs case files, with counters in the packages
// that match patterns; none stands for all of slidefuzz. Its source is needed: that
// of the module that the process's folder is in, or which that requires.
func BuildCases(ctx context.Context, patterns string) (*Program, error) {
	if patterns == "" {
		patterns = module + "/..."
	}
	if _, err := goTool(ctx, "", "list", "-f", "{{.Dir}}", module+"/props/hunt"); err != nil {
		var missing *MissingError
		if errors.As(err, &missing) || ctx.Err() != nil {
			return nil, err
		}
		return nil, &MissingError{"the source of slidefuzz is needed to count what case files cover: run this in its checkout, or in a module that requires " + module}
	}
	imports := fmt.Sprintf("slidefuzzContext \"context\"\n\tslidefuzzCorpus %q\n\tslidefuzzHunt %q", module+"/corpus", module+"/props/hunt")
	p := &Program{}
	err := p.build(source("main", imports, casesMain), func(file, binary string) error {
		_, err := goTool(ctx, "", "build", "-o", binary, "-cover", "-covermode=atomic", "-coverpkg="+patterns, allowLinkname, file)
		return err
	})
	return p, err
}

// source is the harness with what runs the inputs.
func source(pkg, imports, main string) string {
	return strings.NewReplacer("PACKAGE", pkg, "//IMPORTS", "\t"+imports).Replace(harness) + main
}

// build writes a file of Go to a temporary folder and has it built.
func (p *Program) build(text string, run func(file, binary string) error) (err error) {
	if p.tmp, err = os.MkdirTemp("", "slidefuzz-cover-"); err != nil {
		return err
	}
	file := filepath.Join(p.tmp, "slidefuzz_cover.go")
	p.binary = filepath.Join(p.tmp, "covered.exe") // Windows wants the ending
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return errors.Join(err, p.Close())
	}
	if err := run(file, p.binary); err != nil {
		return errors.Join(err, p.Close())
	}
	return nil
}

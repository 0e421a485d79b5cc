package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// mutant is one operator of a file's source exchanged for another.
type mutant struct {
	file     string // slash-separated, relative to the module
	function string // of the declaration around it, "Type.name" for methods
	line     int
	operator string // the name that go-gremlins gives the kind
	from, to string // the source of the operator
	offset   int    // of from, in bytes
}

// exchange is what a token is exchanged for, and the kind of that.
type exchange struct {
	operator string
	to       token.Token
}

// The exchanges that go-gremlins makes unless told otherwise.
var (
	binaryExchanges = map[token.Token][]exchange{
		token.ADD: {{"arithmetic-base", token.SUB}},
		token.SUB: {{"arithmetic-base", token.ADD}},
		token.MUL: {{"arithmetic-base", token.QUO}},
		token.QUO: {{"arithmetic-base", token.MUL}},
		token.REM: {{"arithmetic-base", token.MUL}},
		token.GTR: {{"conditionals-boundary", token.GEQ}, {"conditionals-negation", token.LEQ}},
		token.GEQ: {{"conditionals-boundary", token.GTR}, {"conditionals-negation", token.LSS}},
		token.LSS: {{"conditionals-boundary", token.LEQ}, {"conditionals-negation", token.GEQ}},
		token.LEQ: {{"conditionals-boundary", token.LSS}, {"conditionals-negation", token.GTR}},
		token.EQL: {{"conditionals-negation", token.NEQ}},
		token.NEQ: {{"conditionals-negation", token.EQL}},
	}
	stepExchanges = map[token.Token][]exchange{
		token.INC: {{"increment-decrement", token.DEC}},
		token.DEC: {{"increment-decrement", token.INC}},
	}
	signExchanges = map[token.Token][]exchange{
		token.SUB: {{"invert-negatives", token.ADD}},
	}
)

// mutants is all mutants of a file, in the order of its source. Some do not compile.
func mutants(file string, source []byte) (list []mutant, err error) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, source, 0)
	if err != nil {
		return nil, fmt.Errorf("mutating %s: %w", file, err)
	}
	for _, decl := range parsed.Decls {
		name := nameOf(decl)
		at := func(pos token.Pos, from token.Token, kinds map[token.Token][]exchange) {
			p := set.Position(pos)
			for _, x := range kinds[from] {
				list = append(list, mutant{
					file: file, function: name, line: p.Line, offset: p.Offset,
					operator: x.operator, from: from.String(), to: x.to.String(),
				})
			}
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				at(n.OpPos, n.Op, binaryExchanges)
			case *ast.IncDecStmt:
				at(n.TokPos, n.Tok, stepExchanges)
			case *ast.UnaryExpr:
				at(n.OpPos, n.Op, signExchanges)
			}
			return true
		})
	}
	// What is inspected first is the outermost, not the leftmost.
	slices.SortStableFunc(list, func(a, b mutant) int { return cmp.Compare(a.offset, b.offset) })
	return list, nil
}

// nameOf is the name of a function, or of a method with that of its type; empty for
// other declarations.
func nameOf(decl ast.Decl) string {
	f, ok := decl.(*ast.FuncDecl)
	if !ok {
		return ""
	}
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	if p, ok := receiver.(*ast.StarExpr); ok {
		receiver = p.X
	}
	if x, ok := receiver.(*ast.IndexExpr); ok {
		receiver = x.X
	}
	if x, ok := receiver.(*ast.Ident); ok {
		return x.Name + "." + f.Name.Name
	}
	return f.Name.Name
}

// apply is the mutant's file.
func (m *mutant) apply(source []byte) []byte {
	return slices.Concat(source[:m.offset], []byte(m.to), source[m.offset+len(m.from):])
}

// lines is the mutant's line before and after, without indentation.
func (m *mutant) lines(source []byte) (before, after string) {
	line := func(source []byte) string {
		return strings.TrimSpace(strings.Split(string(source), "\n")[m.line-1])
	}
	return line(source), line(m.apply(source))
}

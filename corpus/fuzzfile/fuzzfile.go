// Package fuzzfile reads and writes the files that go test keeps the inputs of fuzz targets in.
package fuzzfile

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"strconv"
	"strings"
)

// Header is the first line of the files that go test keeps inputs in.
const Header = "go test fuzz v1"

// Format is the file of an input that is bytes.
func Format(in []byte) []byte { return fmt.Appendf(nil, Header+"\n[]byte(%q)\n", in) }

// Parse reads the arguments of a fuzz target from a file as `go test`
// writes it under testdata/fuzz: values of the types that testing.F.Add takes. The
// error names the line.
func Parse(text []byte) ([]any, error) {
	lines := strings.Split(string(text), "\n")
	if strings.TrimSpace(lines[0]) != Header {
		return nil, fmt.Errorf("line 1: want %q: a file from testdata/fuzz", Header)
	}
	var values []any
	for i, line := range lines[1:] {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		v, err := value(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", i+2, line, err)
		}
		values = append(values, v)
	}
	if len(values) == 0 {
		return nil, errors.New("line 2: want a value like []byte(\"…\")")
	}
	return values, nil
}

// Bytes reads the input of a fuzz target of one []byte argument.
func Bytes(text []byte) ([]byte, error) {
	values, err := Parse(text)
	if err != nil {
		return nil, err
	}
	in, ok := values[0].([]byte)
	if !ok || len(values) > 1 {
		return nil, errors.New("want one value, []byte(\"…\"): a file from testdata/fuzz of a target that takes one []byte")
	}
	return in, nil
}

var errValue = errors.New(`want a value like []byte("…"), string("…") or int(1)`)

// value reads TYPE(LITERAL).
func value(line string) (any, error) {
	e, err := parser.ParseExpr(line)
	if err != nil {
		return nil, errValue
	}
	call, ok := e.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return nil, errValue
	}
	kind, literal, sign := "", "", ""
	switch f := call.Fun.(type) {
	case *ast.ArrayType:
		if elem, ok := f.Elt.(*ast.Ident); ok && f.Len == nil && elem.Name == "byte" {
			kind = "[]byte"
		}
	case *ast.Ident:
		kind = f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok && x.Name == "math" {
			kind = f.Sel.Name
		}
	}
	arg := call.Args[0]
	if u, ok := arg.(*ast.UnaryExpr); ok && (u.Op == token.SUB || u.Op == token.ADD) {
		sign, arg = u.Op.String(), u.X
	}
	of := token.IDENT // true, NaN, Inf
	switch x := arg.(type) {
	case *ast.BasicLit:
		literal, of = x.Value, x.Kind
	case *ast.Ident:
		literal = x.Name
	default:
		return nil, errValue
	}
	return convert(kind, sign+literal, of)
}

// convert makes a value of a type, by its name, of a literal.
func convert(kind, literal string, of token.Token) (any, error) {
	signed := func(bits int) (int64, error) { return strconv.ParseInt(literal, 0, bits) }
	unsigned := func(bits int) (uint64, error) { return strconv.ParseUint(literal, 0, bits) }
	char := func() (rune, error) {
		if of != token.CHAR {
			return 0, errValue
		}
		c, _, _, err := strconv.UnquoteChar(literal[1:len(literal)-1], '\'')
		return c, err
	}
	switch kind {
	case "[]byte", "string":
		if of != token.STRING {
			return nil, errValue
		}
		s, err := strconv.Unquote(literal)
		if kind == "string" {
			return s, err
		}
		return []byte(s), err
	case "bool":
		if literal != "true" && literal != "false" {
			return nil, errValue
		}
		return literal == "true", nil
	case "rune", "int32":
		if of == token.CHAR {
			return char()
		}
		n, err := signed(32)
		return int32(n), err
	case "byte", "uint8":
		if of == token.CHAR {
			c, err := char()
			if err == nil && (c < 0 || c > math.MaxUint8) {
				err = strconv.ErrRange
			}
			return byte(c), err
		}
		n, err := unsigned(8)
		return byte(n), err
	case "int":
		// An int of 32 bits wraps, as it does in go test.
		n, err := signed(64)
		return int(n), err
	case "int8":
		n, err := signed(8)
		return int8(n), err
	case "int16":
		n, err := signed(16)
		return int16(n), err
	case "int64":
		return signed(64)
	case "uint":
		n, err := unsigned(64)
		return uint(n), err
	case "uint16":
		n, err := unsigned(16)
		return uint16(n), err
	case "uint32":
		n, err := unsigned(32)
		return uint32(n), err
	case "uint64":
		return unsigned(64)
	case "float32":
		x, err := strconv.ParseFloat(literal, 32)
		return float32(x), err
	case "float64":
		return strconv.ParseFloat(literal, 64)
	case "Float32frombits":
		n, err := unsigned(32)
		return math.Float32frombits(uint32(n)), err
	case "Float64frombits":
		n, err := unsigned(64)
		return math.Float64frombits(n), err
	}
	return nil, errValue
}

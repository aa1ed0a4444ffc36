package schema

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Bounds of what a configuration can need. They keep the recursive parser and the evaluator from
// running out of stack or memory on hostile input.
const (
	maxFileSize = 1 << 20
	maxNesting  = 100
	// maxOperators bounds the operators of one expression at one level of brackets.
	maxOperators = 1000
)

// varFileSuffix marks variable files, which are not part of a folder's configuration.
const varFileSuffix = ".pegvars.hcl"

// configFiles gives the files of a configuration: path itself, or the *.hcl files of the folder in
// the order of their names.
func (l *loader) configFiles(path string) (dir string, files []string) {
	info, err := os.Stat(path)
	if err != nil {
		l.errorf(CodeUnreadable, hcl.Range{}, "name a folder with *.hcl files, or one such file", "cannot read the configuration: %s", reason(path, err))
		return "", nil
	}
	if !info.IsDir() {
		return filepath.Dir(path), []string{path}
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		l.errorf(CodeUnreadable, hcl.Range{}, "", "cannot read the configuration: %s", reason(path, err))
		return "", nil
	}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || strings.HasPrefix(name, ".") || !strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, varFileSuffix) {
			continue
		}
		files = append(files, filepath.Join(path, name))
	}
	if len(files) == 0 {
		l.errorf(CodeNoFiles, hcl.Range{}, "pegmigrate init writes a first one", "no *.hcl file in folder %q", path)
	}
	return path, files
}

// reason is an error of the file system without the system call's name.
func reason(path string, err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Sprintf("%s: %v", path, err)
}

// readBounded reads a file that must not exceed maxFileSize.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(src) > maxFileSize {
		return nil, errTooLarge
	}
	return src, nil
}

var errTooLarge = errors.New("larger than 1 MiB")

// parseFile reads and parses one file; nil when that is not possible.
func (l *loader) parseFile(path string) *hclsyntax.Body {
	src, err := readBounded(path)
	if errors.Is(err, errTooLarge) {
		l.errorf(CodeTooLarge, hcl.Range{}, "", "%s is larger than 1 MiB", path)
		return nil
	}
	if err != nil {
		l.errorf(CodeUnreadable, hcl.Range{}, "give a readable file", "cannot read %s", reason(path, err))
		return nil
	}
	return l.parse(src, path)
}

// parse parses a file's text; nil when it is not HCL.
func (l *loader) parse(src []byte, name string) *hclsyntax.Body {
	l.files[name] = &hcl.File{Bytes: src}
	if !l.bounded(src, name, true) {
		return nil
	}
	file, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	if file != nil {
		l.files[name] = file
	}
	for _, d := range diags {
		l.adopt(CodeSyntax, syntaxHint(d), hcl.Diagnostics{d})
	}
	if diags.HasErrors() || file == nil {
		return nil
	}
	body, _ := file.Body.(*hclsyntax.Body)
	return body
}

// syntaxHint helps with what newcomers to HCL get wrong; most messages of the parser explain
// themselves.
func syntaxHint(d *hcl.Diagnostic) string {
	switch d.Summary {
	case "Invalid single-argument block definition":
		return "put every argument of the block on a line of its own"
	case "Attribute redefined":
		return "remove one of the two"
	case "Invalid multi-line string", "Unterminated template string":
		return "close the quote on the same line"
	case "Unclosed configuration block":
		return "add the closing brace"
	}
	return ""
}

// bounded looks at the tokens before the parser sees them: parser and evaluator recurse once per
// bracket and operator, and a Go program cannot recover from running out of stack. body tells a file,
// where a new line ends an expression, from a lone expression.
func (l *loader) bounded(src []byte, name string, body bool) bool {
	tokens, _ := hclsyntax.LexConfig(src, name, hcl.InitialPos) // the parser reports what is wrong
	open := []level{{braces: body}}
	for _, t := range tokens {
		top := &open[len(open)-1]
		switch {
		case t.Type == hclsyntax.TokenNumberLit && hugeNumber(t.Bytes):
			l.errorf(CodeTooLarge, t.Range, "", "number too large")
			return false
		case opens(t.Type):
			if recursive(t.Type) {
				top.operators++
			}
			open = append(open, level{braces: t.Type == hclsyntax.TokenOBrace})
		case closes(t.Type) && len(open) > 1:
			open = open[:len(open)-1]
		case recursive(t.Type):
			top.operators++
		case t.Type == hclsyntax.TokenComma, t.Type == hclsyntax.TokenNewline && top.braces:
			top.operators = 0
		}
		if len(open) > maxNesting || open[len(open)-1].operators > maxOperators {
			l.errorf(CodeTooLarge, t.Range, "name parts of it with locals",
				"nested deeper than %d levels, or more than %d operators in one expression", maxNesting, maxOperators)
			return false
		}
	}
	return true
}

// level is one open bracket: how many operators the expression directly inside has so far, and
// whether a new line ends it.
type level struct {
	operators int
	braces    bool
}

func opens(t hclsyntax.TokenType) bool {
	switch t {
	case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
		hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
		return true
	}
	return false
}

func closes(t hclsyntax.TokenType) bool {
	switch t {
	case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
		hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
		return true
	}
	return false
}

// recursive tokens nest an expression beside one another: operators, the brackets of a chain of
// indices or splats, calls, and the directives of a template.
func recursive(t hclsyntax.TokenType) bool {
	switch t {
	case hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateControl, hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenQuestion, hclsyntax.TokenPlus,
		hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPercent, hclsyntax.TokenAnd,
		hclsyntax.TokenOr, hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual, hclsyntax.TokenDot,
		hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq, hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq:
		return true
	}
	return false
}

// hugeNumber tells numbers whose decimal form would take megabytes: 1e999999999 is a short token.
func hugeNumber(lit []byte) bool {
	s := strings.ToLower(string(lit))
	mantissa, exponent, _ := strings.Cut(s, "e")
	return len(mantissa) > 400 || len(strings.TrimLeft(exponent, "+-0")) > 3
}

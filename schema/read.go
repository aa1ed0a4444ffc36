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
		l.errorf(CodeNoFiles, hcl.Range{}, "pegmigrate init writes a first one", "no *.hcl file in %s", path)
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
		l.errorf(CodeUnreadable, hcl.Range{}, "", "cannot read %s", reason(path, err))
		return nil
	}
	return l.parse(src, path)
}

// parse parses a file's text; nil when it is not HCL.
func (l *loader) parse(src []byte, name string) *hclsyntax.Body {
	l.files[name] = &hcl.File{Bytes: src}
	if !l.bounded(src, name) {
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

// bounded looks at the tokens before the parser sees them: the parser and the evaluator recurse
// once per bracket or operator and the stack of a Go program cannot be recovered.
func (l *loader) bounded(src []byte, name string) bool {
	tokens, _ := hclsyntax.LexConfig(src, name, hcl.InitialPos) // the parser reports what is wrong
	depth, unary := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
			hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			depth = max(0, depth-1)
		case hclsyntax.TokenNumberLit:
			if hugeNumber(t.Bytes) {
				l.errorf(CodeTooLarge, t.Range, "", "number too large")
				return false
			}
		}
		if recursive(t.Type) {
			unary++
		} else if t.Type == hclsyntax.TokenNewline || t.Type == hclsyntax.TokenComma {
			unary = 0
		}
		if depth > maxNesting || unary > 10*maxNesting {
			l.errorf(CodeTooLarge, t.Range, "name parts of it with locals", "nested deeper than %d levels", maxNesting)
			return false
		}
	}
	return true
}

// recursive tokens nest an expression without a bracket.
func recursive(t hclsyntax.TokenType) bool {
	switch t {
	case hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenQuestion, hclsyntax.TokenPlus,
		hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPercent, hclsyntax.TokenAnd,
		hclsyntax.TokenOr, hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual, hclsyntax.TokenDot:
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

package cli

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/google/renameio/v2"
	"github.com/pegmigrate/pegmigrate/schema"
)

func (e Env) validateCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "validate",
		Usage:     "check the configuration offline",
		ArgsUsage: "[FOLDER|FILE]",
		Flags:     configFlags(),
		Action: func(c *ucli.Context) error {
			o, err := configOf(c, e)
			if err != nil {
				return err
			}
			config, diags := schema.Load(o.path, o.vars)
			if len(diags) > 0 {
				e.printDiagnostics(diags, config)
			}
			if diags.HasErrors() {
				return &exitError{code: ExitError, err: errDiagnosed}
			}
			fmt.Fprintf(e.Stderr, "the configuration is valid: %s, %s\n",
				counted(len(config.Clusters), "cluster"), counted(len(config.Migrations), "migration"))
			return nil
		},
	}
}

func (e Env) fmtCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "fmt",
		Usage:     "rewrite *.hcl files in the canonical form; prints the names of those that changed",
		ArgsUsage: "[FOLDER|FILE]",
		Flags:     []ucli.Flag{&ucli.BoolFlag{Name: "check", Usage: "change nothing; exit with 1 when a file is not in canonical form"}},
		Action: func(c *ucli.Context) error {
			path := "."
			if c.NArg() > 0 {
				path = c.Args().First()
			}
			return e.format(path, c.Bool("check"))
		},
	}
}

func (e Env) format(path string, check bool) error {
	files, err := hclFiles(path)
	if err != nil {
		return failf(codeUnreadable, "give a folder or a file", "%v", err)
	}
	changed := false
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			return failf(codeUnreadable, "give a readable file", "%v", err)
		}
		if config, diags := schema.CheckSyntax(src, file); diags.HasErrors() {
			e.printDiagnostics(diags, config)
			return &exitError{code: ExitError, err: errDiagnosed}
		}
		formatted := schema.Format(src)
		if bytes.Equal(src, formatted) {
			continue
		}
		changed = true
		fmt.Fprintln(e.Stdout, file)
		if check {
			continue
		}
		if err := replaceFile(file, formatted); err != nil {
			return failf(codeUnwritable, "choose a writable file", "%v", err)
		}
	}
	if check && changed {
		return &exitError{code: ExitError}
	}
	return nil
}

// replaceFile keeps the mode of a file that people share; state files are the private ones.
func replaceFile(path string, data []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, data, info.Mode().Perm())
}

// hclFiles lists what fmt works on: one file, or the *.hcl files of a folder.
func hclFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		if name := entry.Name(); entry.Type().IsRegular() && strings.HasSuffix(name, ".hcl") && !strings.HasPrefix(name, ".") {
			files = append(files, filepath.Join(path, name))
		}
	}
	slices.Sort(files)
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no *.hcl file: %w", path, fs.ErrNotExist)
	}
	return files, nil
}

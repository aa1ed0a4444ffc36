package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// initOptions are the flags of init.
type initOptions struct {
	meta, targetMeta []string
	table            string
	out              string
}

func (e Env) initCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "init",
		Usage:     "write a starter migration file from a live table",
		ArgsUsage: "[FOLDER]",
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: "meta", Usage: "meta servers of the source, `HOST:PORT[,HOST:PORT]`"},
			&ucli.StringFlag{Name: "table", Usage: "the table to move"},
			&ucli.StringFlag{Name: "target-meta", Usage: "meta servers of the target, `HOST:PORT[,HOST:PORT]`"},
		},
		Action: func(c *ucli.Context) error {
			if err := need(c, "meta", "table"); err != nil {
				return err
			}
			o := initOptions{meta: addresses(c.String("meta")), targetMeta: addresses(c.String("target-meta")), table: c.String("table")}
			folder := "."
			if c.NArg() > 0 {
				folder = c.Args().First()
			}
			o.out = filepath.Join(folder, "migration.hcl")
			return e.initialise(c.Context, o)
		},
	}
}

func addresses(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// initialise looks at the live table, so that the starter says what there is.
func (e Env) initialise(ctx context.Context, o initOptions) error {
	args := schema.StarterArgs{SourceMeta: o.meta, TargetMeta: o.targetMeta, Table: o.table}
	source, err := e.openCluster(ctx, "source", o.meta, "")
	if err != nil {
		return err
	}
	defer source.Close()
	info, err := source.Info(ctx)
	if err != nil {
		return failf(plan.CodeClusterSilent, "check -meta", "the source does not say what it is: %v", err)
	}
	args.SourceCluster = info.Name
	tables, err := source.ListTables(ctx)
	if err != nil {
		return failf(plan.CodeTableUnread, "check -meta", "the tables of the source cannot be listed: %v", err)
	}
	var names []string
	for _, t := range tables {
		if t.Status != "AVAILABLE" {
			continue
		}
		names = append(names, t.Name)
		if t.Name == o.table {
			args.Partitions, args.Replicas = t.Partitions, t.Replicas
		}
	}
	if args.Partitions == 0 {
		return failf(plan.CodeSourceMissing, "the cluster has "+strings.Join(names, ", "), "there is no table %q", o.table)
	}
	if len(o.targetMeta) > 0 {
		target, err := e.openCluster(ctx, "target", o.targetMeta, "")
		if err != nil {
			return err
		}
		defer target.Close()
		if info, err := target.Info(ctx); err == nil {
			args.TargetCluster = info.Name
		}
	}
	return e.writeStarter(o.out, schema.Starter(args))
}

// writeStarter never overwrites: the file may be somebody's work.
func (e Env) writeStarter(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return failf(codeStarter, "give a writable folder", "%v", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		if os.IsExist(err) {
			return failf(codeStarter, "move it away, or give another folder", "%s exists already", path)
		}
		return failf(codeStarter, "give a writable folder", "%v", err)
	}
	_, err = f.Write(content)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return failf(codeStarter, "make room and try again", "%s was not written: %v", path, err)
	}
	fmt.Fprintf(e.Stderr, "wrote %s; read it, then: pegmigrate plan %s\n", path, filepath.Dir(path))
	return nil
}

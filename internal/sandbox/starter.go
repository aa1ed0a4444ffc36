package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// starterMark is the first line of a starter. A file without it was edited and is
// left alone, although the addresses in it are stale then.
const starterMark = "# Written by `pegmigrate sandbox up`, again each time; remove this line to keep your changes.\n"

// writeStarter writes a migration of table "demo" from the first cluster to the
// second, or within the only one.
func writeStarter(files atomicfile.FS, cfg UpConfig, d Description) error {
	path := filepath.Join(cfg.Dir, MigrationFile)
	old, err := files.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("sandbox: starter: %w", err)
	case !strings.HasPrefix(string(old), starterMark):
		fmt.Fprintf(cfg.Log, "%s was edited and is kept; the addresses in it may be stale\n", path)
		return nil
	}
	if err := atomicfile.WriteFile(files, path, []byte(starter(d))); err != nil {
		return fmt.Errorf("sandbox: starter: %w", err)
	}
	return nil
}

func starter(d Description) string {
	var b strings.Builder
	b.WriteString(starterMark)
	for _, c := range d.Clusters {
		fmt.Fprintf(&b, "\ncluster %q {\n  meta_servers = [%s]\n}\n", c.Name, quoted(c.MetaServers))
	}
	from, to, table := d.Clusters[0].Name, d.Clusters[len(d.Clusters)-1].Name, "demo"
	if from == to {
		table = "demo_copy"
	}
	fmt.Fprintf(&b, `
migration "demo" {
  source {
    cluster = cluster.%s
    table   = "demo"
  }
  target {
    cluster = cluster.%s
    table   = %q
  }

  method "copy" {
    source_writes = "stopped"
  }

  verify { mode = "full" }
}
`, from, to, table)
	return b.String()
}

func quoted(list []string) string {
	var parts []string
	for _, s := range list {
		parts = append(parts, fmt.Sprintf("%q", s))
	}
	return strings.Join(parts, ", ")
}

package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
)

// Leftover is one thing that somebody may have forgotten.
type Leftover struct {
	// Where is "table" or "node"; "" for the cluster as a whole.
	Where string
	What  string
	// Since is when it began, zero when the cluster does not know.
	Since time.Time
	// Effect says what it does to clients and servers as long as it stays.
	Effect string
	// Undo is the command that clears it.
	Undo string
}

// Cluster answers questions; *pegasus.Cluster has it.
type Cluster interface {
	Info(ctx context.Context) (pegasus.ClusterInfo, error)
	Nodes(ctx context.Context) ([]pegasus.Node, error)
	ListTables(ctx context.Context) ([]pegasus.TableInfo, error)
	Duplications(ctx context.Context, table string) ([]pegasus.Duplication, error)
	BulkLoadStatus(ctx context.Context, table string) (pegasus.BulkLoad, error)
	RemoteCommand(ctx context.Context, node, cmd string, args ...string) (string, error)
	ConfigValue(ctx context.Context, node, flag string) (string, error)
	OpenTable(ctx context.Context, name string) (*pegasus.Table, error)
}

// Examine looks at everything of one cluster. What it found is good also when the error is not nil:
// the error says which questions were not answered.
func Examine(ctx context.Context, c Cluster) ([]Leftover, error) {
	info, err := c.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the cluster about itself: %w", err)
	}
	found := level(info)
	tables, err := c.ListTables(ctx)
	if err != nil {
		return found, fmt.Errorf("list tables: %w", err)
	}
	var unseen error
	for _, t := range tables {
		if t.Status == "DROPPED" {
			continue
		}
		found = append(found, envsOf(t)...)
		more, err := servicesOf(ctx, c, t)
		found = append(found, more...)
		rows, rowsErr := probeRows(ctx, c, t)
		found = append(found, rows...)
		unseen = errors.Join(unseen, err, rowsErr)
	}
	more, err := rates(ctx, c)
	found = append(found, more...)
	slices.SortStableFunc(found, func(a, b Leftover) int { return cmp.Compare(a.Where, b.Where) })
	return found, errors.Join(unseen, err)
}

// level finds a balancer that is held, or a meta that refuses changes.
func level(info pegasus.ClusterInfo) []Leftover {
	if info.Level == "lively" || info.Level == "fl_lively" {
		return nil
	}
	return []Leftover{{
		What:   "the meta function level is " + info.Level,
		Effect: "primaries and replicas are not balanced; below steady also nothing is repaired",
		Undo:   "in the shell: set_meta_level lively",
	}}
}

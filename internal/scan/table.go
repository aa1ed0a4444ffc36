package scan

import (
	"context"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
)

// Table makes a table of a cluster a Source.
func Table(t *pegasus.Table) Source { return tableSource{t} }

// tableSource opens the scans of package pegasus.
type tableSource struct{ t *pegasus.Table }

// PartitionCount implements Source.
func (s tableSource) PartitionCount() int32 { return s.t.PartitionCount() }

// Open implements Source.
func (s tableSource) Open(spec Spec) Cursor {
	return &tableScan{s.t.NewScan(pegasus.ScanSpec{
		Partition: spec.Partition, After: spec.After, Through: spec.Through, Batch: spec.Batch,
		HashKey: pushed(spec.HashKey), SortKey: pushed(spec.SortKey), NoValue: spec.NoValue, CountOnly: spec.CountOnly,
		PageTimeout: spec.GiveUpAfter, Timeout: spec.Timeout, OnRetry: spec.OnRetry,
	})}
}

// tableScan turns the pages of package pegasus into ours.
type tableScan struct{ scan *pegasus.Scan }

// Next implements Cursor.
func (s *tableScan) Next(ctx context.Context) (Page, error) {
	p, err := s.scan.Next(ctx)
	if err != nil {
		return Page{}, err
	}
	return Page{Rows: p.Rows, Last: p.Last, Count: p.Count, Free: p.Release}, nil
}

// Close implements Cursor.
func (s *tableScan) Close() { s.scan.Close() }

package actuate

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
	"github.com/pegmigrate/pegmigrate/plan"
)

// selection says which rows a comparison wants after a copy with such options.
func selection(o plan.CopyOptions) (differ.Selection, error) {
	out := differ.Selection{Partitions: o.Partitions, KeysOnly: o.DropValue, NoTTL: o.DropTTL, KeepExisting: o.KeepsTarget()}
	for _, part := range []struct {
		name, text string
		into       *rowfilter.Match
	}{{"hash_key", o.HashKey, &out.Filter.HashKey}, {"sort_key", o.SortKey, &out.Filter.SortKey}, {"value", o.Value, &out.Filter.Value}} {
		m, err := rowfilter.Parse(part.text)
		if err != nil {
			return out, fmt.Errorf("%s: %w", part.name, err)
		}
		*part.into = m
	}
	return out, nil
}

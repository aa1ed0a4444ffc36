package copier

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
)

// Overwrite says what becomes of a row that the target has already.
type Overwrite = pegasus.Overwrite

// The values of Overwrite, see package pegasus.
const (
	OverwriteAlways        = pegasus.OverwriteAlways
	OverwriteNever         = pegasus.OverwriteNever
	OverwriteNeverUnatomic = pegasus.OverwriteNeverUnatomic
)

// MultiSet says which rows share a multi_put.
type MultiSet uint8

// The values of MultiSet.
const (
	// MultiSetAuto decides page by page: neighbours share a multi_put where at least two rows per
	// hash key and expiry lie in the page, or in a run of sixteen. A lone pair does not: servers put
	// neighbouring puts of one partition into one mutation, and a multi_put into one of its own
	// (rrdb.code.definition.h, ALLOW_BATCH).
	MultiSetAuto MultiSet = iota
	// MultiSetOn makes all neighbours share that can.
	MultiSetOn
	// MultiSetOff writes every row by itself.
	MultiSetOff
)

// meaning writes down the options that decide what the target holds in the end, "" for the default ones.
// Which partitions are copied is not among them: the cursor of one says nothing about another.
func (o *Options) meaning() string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	add("hash_key", o.Filter.HashKey.String())
	add("sort_key", o.Filter.SortKey.String())
	add("value", o.Filter.Value.String())
	if o.DropTTL {
		add("keep_ttl", "false")
	}
	if o.DropValue {
		add("copy_value", "false")
	}
	switch o.Overwrite {
	case OverwriteNever:
		add("overwrite", "never")
	case OverwriteNeverUnatomic:
		add("overwrite", "never_unatomic")
	}
	return strings.Join(parts, " ")
}

// OptionsError says that a copy was begun with other options of what is copied. Rows were written, or left
// out, by those: going on would leave a target that is neither the one nor the other.
type OptionsError struct {
	// Partition is one whose cursor says so.
	Partition int32
	// Begun and Now are the options in words, "" for a copy of everything as it is.
	Begun, Now string
}

// Error gives both.
func (e *OptionsError) Error() string {
	words := func(s string) string {
		if s == "" {
			return "no options"
		}
		return s
	}
	return fmt.Sprintf("the copy was begun with %s, and is to go on with %s (cursor of source partition %d); begin a new one for other options",
		words(e.Begun), words(e.Now), e.Partition)
}

// The reasons why options contradict each other.
var (
	errValueFilter   = errors.New("a filter of values cannot be combined with leaving values out")
	errMultiNoChecks = errors.New("multi_puts overwrite: they cannot be combined with keeping what the target has")
)

// check refuses options that contradict each other or the table.
func (o *Options) check(count int32) error {
	switch {
	case o.DropValue && o.Filter.Value.String() != "":
		return errValueFilter
	case o.MultiSet == MultiSetOn && o.Overwrite != OverwriteAlways:
		return errMultiNoChecks
	}
	for i, p := range o.Partitions {
		if p < 0 || p >= count {
			return fmt.Errorf("there is no source partition %d: the table has %d", p, count)
		}
		if slices.Contains(o.Partitions[:i], p) {
			return fmt.Errorf("source partition %d is named twice", p)
		}
	}
	return nil
}

// chosen are the source partitions to copy, in order.
func (o *Options) chosen(count int32) []int32 {
	if len(o.Partitions) > 0 {
		return slices.Sorted(slices.Values(o.Partitions))
	}
	all := make([]int32, count)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

package plan

import (
	"cmp"
	"maps"
	"slices"
)

// sortedKeys gives a map's keys in order: plans are compared byte for byte, and map order is not.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}

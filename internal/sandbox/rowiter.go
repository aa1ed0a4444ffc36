package sandbox

import "github.com/tidwall/btree"

// rowIter walks up the rows of a store as they were when it was made: those of the tree, and
// those of a pattern among them.
type rowIter struct {
	tree btree.IterG[row]
	// base is nil for most stores. Then the rest is not used.
	base           *baseIter
	inTree, inBase bool
	fromBase       bool
	current        row
}

// iter is an iterator over a snapshot.
func (s *store) iter() rowIter {
	it := rowIter{tree: s.snapshot().Iter()}
	if s.base != nil {
		it.base = &baseIter{b: s.base}
	}
	return it
}

// Seek moves to the first row that is not before r; false when there is none.
func (it *rowIter) Seek(r row) bool {
	ok := it.tree.Seek(r)
	if it.base == nil {
		return ok
	}
	it.inTree, it.inBase = ok, it.base.seek(r.key())
	return it.choose()
}

// First moves to the first row; false when there is none.
func (it *rowIter) First() bool { return it.Seek(lookupRow(nil)) }

// Next moves on; false at the end.
func (it *rowIter) Next() bool {
	if it.base == nil {
		return it.tree.Next()
	}
	if it.fromBase {
		it.inBase = it.base.next()
	} else {
		it.inTree = it.tree.Next()
	}
	return it.choose()
}

// choose takes the smaller of both rows. They never have the same key.
func (it *rowIter) choose() bool {
	switch {
	case !it.inTree && !it.inBase:
		return false
	case !it.inBase:
		it.fromBase, it.current = false, it.tree.Item()
	case !it.inTree:
		it.fromBase, it.current = true, it.base.item()
	default:
		it.current = it.base.item()
		if it.fromBase = rowLess(it.current, it.tree.Item()); !it.fromBase {
			it.current = it.tree.Item()
		}
	}
	return true
}

// Item is the row that it stands on.
func (it *rowIter) Item() row {
	if it.base == nil {
		return it.tree.Item()
	}
	return it.current
}

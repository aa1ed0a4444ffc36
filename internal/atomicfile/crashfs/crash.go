package crashfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Kill returns the file system as the next process finds it after the present one was killed: everything that was
// written is there, and no lock is held. The receiver stays as it is; handles into it do not touch the copy.
func (f *FS) Kill() *FS {
	return f.copy(func(d *folder, name string) *inode { return d.live[name] }, func(n *inode) []byte { return n.data })
}

// PowerLoss returns the file system as a machine that lost power finds it. With a nil source everything that was not
// synced is lost. With a source each change of a folder since its last sync survives or not, and the part of a file
// written since its last sync comes back whole, cut, with a hole of zeros, or not at all.
func (f *FS) PowerLoss(source *rand.Rand) *FS {
	if source == nil {
		return f.copy(func(d *folder, name string) *inode { return d.durable[name] },
			func(n *inode) []byte { return n.synced })
	}
	return f.copy(func(d *folder, name string) *inode {
		if source.IntN(2) == 0 {
			return d.durable[name]
		}
		return d.live[name]
	}, func(n *inode) []byte { return survivor(source, n) })
}

// copy visits everything in a fixed order, so that a seed of a random source names one outcome.
func (f *FS) copy(entry func(*folder, string) *inode, content func(*inode) []byte) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &FS{
		folders: make(map[string]*folder), locks: make(map[string]bool), serial: f.serial, capacity: f.capacity,
	}
	for _, path := range slices.Sorted(maps.Keys(f.folders)) {
		d, fresh := f.folders[path], newFolder()
		names := slices.Concat(slices.Collect(maps.Keys(d.live)), slices.Collect(maps.Keys(d.durable)))
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			node := entry(d, name)
			if node == nil {
				continue
			}
			data := content(node)
			fresh.live[name] = &inode{data: slices.Clone(data), synced: slices.Clone(data)}
		}
		fresh.durable = maps.Clone(fresh.live)
		c.folders[path] = fresh
	}
	return c
}

func survivor(source *rand.Rand, n *inode) []byte {
	tail := n.data[len(n.synced):]
	if len(tail) == 0 {
		return n.synced
	}
	kept := slices.Clone(tail)
	switch source.IntN(4) {
	case 0:
		kept = nil
	case 1:
		kept = kept[:source.IntN(len(kept))]
	case 2:
		hole := kept[source.IntN(len(kept)):]
		clear(hole[:1+source.IntN(len(hole))])
	}
	return slices.Concat(n.synced, kept)
}

package zookeeper

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// node is one znode.
type node struct {
	data     []byte // nil for null
	acl      []ACL
	stat     Stat // DataLength and NumChildren are filled when it is shown
	children map[string]bool
}

func (n *node) shown() Stat {
	s := n.stat
	s.DataLength, s.NumChildren = int32(len(n.data)), int32(len(n.children))
	return s
}

// tree is all znodes by path. It is guarded by the server's mutex.
type tree struct {
	nodes map[string]*node
	zxid  int64 // of the last transaction
	now   func() time.Time
	watches
}

func newTree(now func() time.Time) *tree {
	t := &tree{nodes: map[string]*node{}, zxid: 1 << 32, now: now, watches: newWatches()}
	t.nodes["/"] = &node{acl: OpenACL(), data: []byte{}, children: map[string]bool{}}
	for _, path := range []string{"/zookeeper", "/zookeeper/quota", "/zookeeper/config"} {
		t.create(path, []byte{}, OpenACL(), 0)
	}
	return t
}

// next numbers a transaction; failed ones take a number as well.
func (t *tree) next() int64 {
	t.zxid++
	return t.zxid
}

func (t *tree) millis() int64 { return t.now().UnixMilli() }

// create adds a node whose parent exists, without looking at permissions.
func (t *tree) create(path string, data []byte, acl []ACL, owner int64) *node {
	now := t.millis()
	n := &node{data: data, acl: acl, children: map[string]bool{}, stat: Stat{
		Czxid: t.zxid, Mzxid: t.zxid, Pzxid: t.zxid, Ctime: now, Mtime: now, EphemeralOwner: owner,
	}}
	t.nodes[path] = n
	parent := t.nodes[parentOf(path)]
	parent.children[baseOf(path)] = true
	parent.stat.Cversion++
	parent.stat.Pzxid = t.zxid
	t.created(path, parentOf(path))
	return n
}

// remove takes a node out, without looking at permissions.
func (t *tree) remove(path string) {
	parent := t.nodes[parentOf(path)]
	delete(t.nodes, path)
	delete(parent.children, baseOf(path))
	parent.stat.Cversion++
	parent.stat.Pzxid = t.zxid
	t.deleted(path, parentOf(path))
}

// set replaces the data of a node.
func (t *tree) set(path string, n *node, data []byte) {
	n.data = data
	n.stat.Version++
	n.stat.Mzxid, n.stat.Mtime = t.zxid, t.millis()
	t.changed(path)
}

// endSession removes the nodes that end with a session.
func (t *tree) endSession(id int64) {
	t.next()
	var gone []string
	for path, n := range t.nodes {
		if n.stat.EphemeralOwner == id {
			gone = append(gone, path)
		}
	}
	slices.Sort(gone)
	for _, path := range gone {
		t.remove(path)
	}
}

// sequential is the name that a sequential node gets.
func (t *tree) sequential(path string, parent *node) string {
	return fmt.Sprintf("%s%010d", path, parent.stat.Cversion)
}

func (n *node) names() []string { return slices.Sorted(maps.Keys(n.children)) }

func parentOf(path string) string {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 1)]
}

func baseOf(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// validPath says what a path may be (org.apache.zookeeper.common.PathUtils).
func validPath(path string) bool {
	if path == "/" {
		return true
	}
	if !strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/") || strings.ContainsRune(path, 0) {
		return false
	}
	for part := range strings.SplitSeq(path[1:], "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}

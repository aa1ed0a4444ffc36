package zookeeper

// watcher is told once what it waits for. A connection is one: watches end with the connection, and
// clients set them again on the next one.
type watcher interface{ notify(eventType, string) }

// watches are who waits for which path. Watches for the existence of a node and for its data are
// the same to a server.
type watches struct{ data, child map[string]map[watcher]bool }

func newWatches() watches {
	return watches{data: map[string]map[watcher]bool{}, child: map[string]map[watcher]bool{}}
}

func watch(in map[string]map[watcher]bool, path string, w watcher) {
	if in[path] == nil {
		in[path] = map[watcher]bool{}
	}
	in[path][w] = true
}

// trigger tells the watchers of a path, except those that were told by the same transaction, and
// forgets them.
func trigger(in map[string]map[watcher]bool, path string, e eventType, told map[watcher]bool) map[watcher]bool {
	list := in[path]
	delete(in, path)
	for w := range list {
		if !told[w] {
			w.notify(e, path)
		}
	}
	return list
}

func (s watches) created(path, parent string) {
	trigger(s.data, path, eventCreated, nil)
	trigger(s.child, parent, eventChildrenChanged, nil)
}

func (s watches) deleted(path, parent string) {
	told := trigger(s.data, path, eventDeleted, nil)
	trigger(s.child, path, eventDeleted, told)
	trigger(s.child, parent, eventChildrenChanged, nil)
}

func (s watches) changed(path string) { trigger(s.data, path, eventDataChanged, nil) }

// forget drops the watches of a connection that has ended.
func (s watches) forget(w watcher) {
	for _, in := range []map[string]map[watcher]bool{s.data, s.child} {
		for path, list := range in {
			if delete(list, w); len(list) == 0 {
				delete(in, path)
			}
		}
	}
}

// renew sets the watches of a client that has connected again, and tells at once what happened since
// the last transaction that it saw (DataTree.setWatches).
func (t *tree) renew(w watcher, since int64, data, exist, child []string) {
	for _, path := range data {
		switch n := t.nodes[path]; {
		case n == nil:
			w.notify(eventDeleted, path)
		case n.stat.Mzxid > since:
			w.notify(eventDataChanged, path)
		default:
			watch(t.data, path, w)
		}
	}
	for _, path := range exist {
		if t.nodes[path] != nil {
			w.notify(eventCreated, path)
		} else {
			watch(t.data, path, w)
		}
	}
	for _, path := range child {
		switch n := t.nodes[path]; {
		case n == nil:
			w.notify(eventDeleted, path)
		case n.stat.Pzxid > since:
			w.notify(eventChildrenChanged, path)
		default:
			watch(t.child, path, w)
		}
	}
}

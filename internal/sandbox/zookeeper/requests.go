package zookeeper

import "strings"

// request is one request of a client, being handled under the server's mutex.
type request struct {
	srv *Server
	c   *conn
	xid int32
	in  record
}

// operation handles a request. What it returns is sent behind the head of the answer, nil for
// nothing; an error has no body.
type operation func(*request) (body func(*reply), code errCode)

// operations are the requests that are understood; all others are answered Unimplemented, among them
// multi (14), check (13), containers and TTLs (19, 21), removing and adding watches (17, 18, 106),
// reconfig (16), getEphemerals (103) and getAllChildrenNumber (104).
func operations(op int32) operation {
	switch op {
	case opCreate, opCreate2:
		return func(q *request) (func(*reply), errCode) { return q.create(op == opCreate2) }
	case opDelete:
		return (*request).delete
	case opExists:
		return (*request).exists
	case opGetData:
		return (*request).getData
	case opSetData:
		return (*request).setData
	case opGetACL:
		return (*request).getACL
	case opSetACL:
		return (*request).setACL
	case opGetChildren, opGetChildren2:
		return func(q *request) (func(*reply), errCode) { return q.getChildren(op == opGetChildren2) }
	case opSync:
		return (*request).sync
	case opPing:
		return func(*request) (func(*reply), errCode) { return nil, errOK }
	case opAuth:
		return (*request).auth
	case opSetWatches:
		return (*request).setWatches
	case opWhoAmI:
		return (*request).whoAmI
	}
	return func(*request) (func(*reply), errCode) { return nil, errUnimplemented }
}

// writes tells whether a request changes something.
func writes(op int32) bool {
	return op == opCreate || op == opCreate2 || op == opDelete || op == opSetData || op == opSetACL
}

// handle answers one packet; false ends the connection.
func (s *Server) handle(c *conn, packet []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.session == nil || s.sessions[c.session.id] != c.session || c.session.conn != c {
		return false
	}
	c.session.touch(s.cfg.Now())
	q := &request{srv: s, c: c, in: record{b: packet}}
	q.xid = q.in.int()
	op := q.in.int()
	if op == opClose {
		s.endSession(c.session)
		c.send(newReply(q.xid, s.tree.zxid, errOK).packet())
		return false
	}
	if op == opSetData && s.faults.nextSet != "" {
		return s.faultySet(q)
	}
	body, code := q.run(op)
	if q.in.err != nil {
		return false // a request that cannot be read
	}
	answer := newReply(q.xid, s.tree.zxid, code)
	if body != nil && code == errOK {
		body(answer)
	}
	c.send(answer.packet())
	return code != errAuthFailed
}

func (q *request) run(op int32) (func(*reply), errCode) {
	if writes(op) {
		if q.srv.faults.refuse {
			return nil, errNotReadOnly
		}
		q.tree().next()
	}
	return operations(op)(q)
}

// faultySet does to a setData what NextSet said; false ends the connection.
func (s *Server) faultySet(q *request) bool {
	fate := s.faults.nextSet
	s.faults.nextSet = ""
	switch fate {
	case DropAnswer:
		q.run(opSetData)
		return false
	case MuteAnswer:
		q.run(opSetData)
		return true
	case LateSet:
		s.wg.Go(func() {
			s.pause(LateBy, &conn{}) // whose channel is nil, so that only the server ends it
			s.mu.Lock()
			defer s.mu.Unlock()
			q.run(opSetData)
		})
	}
	return false
}

func (q *request) tree() *tree { return q.srv.tree }

// find looks up a node on which the client must have one of the permissions, 0 for none.
func (q *request) find(path string, perm int32) (*node, errCode) {
	switch n := q.tree().nodes[path]; {
	case q.in.err != nil || !validPath(path):
		return nil, errBadArguments
	case n == nil:
		return nil, errNoNode
	case perm != 0 && !allowed(n.acl, perm, q.c.ids):
		return nil, errNoAuth
	default:
		return n, errOK
	}
}

func (q *request) exists() (func(*reply), errCode) {
	path, watched := q.in.string(), q.in.bool()
	n, code := q.find(path, 0)
	if watched && code != errBadArguments {
		watch(q.tree().data, path, q.c)
	}
	if code != errOK {
		return nil, code
	}
	return func(r *reply) { r.stat(n.shown()) }, errOK
}

func (q *request) getData() (func(*reply), errCode) {
	path, watched := q.in.string(), q.in.bool()
	n, code := q.find(path, PermRead)
	if code != errOK {
		return nil, code
	}
	if watched {
		watch(q.tree().data, path, q.c)
	}
	return func(r *reply) { r.buffer(n.data); r.stat(n.shown()) }, errOK
}

func (q *request) getChildren(stat bool) (func(*reply), errCode) {
	path, watched := q.in.string(), q.in.bool()
	n, code := q.find(path, PermRead)
	if code != errOK {
		return nil, code
	}
	if watched {
		watch(q.tree().child, path, q.c)
	}
	return func(r *reply) {
		r.strings(n.names())
		if stat {
			r.stat(n.shown())
		}
	}, errOK
}

func (q *request) setData() (func(*reply), errCode) {
	path, data, version := q.in.string(), q.in.buffer(), q.in.int()
	n, code := q.find(path, PermWrite)
	switch {
	case code != errOK:
		return nil, code
	case version != -1 && version != n.stat.Version:
		return nil, errBadVersion
	}
	q.tree().set(path, n, data)
	return func(r *reply) { r.stat(n.shown()) }, errOK
}

func (q *request) delete() (func(*reply), errCode) {
	path, version := q.in.string(), q.in.int()
	if path == "/" || !validPath(path) || path == "/zookeeper" || strings.HasPrefix(path, "/zookeeper/") {
		return nil, errBadArguments
	}
	n, code := q.find(path, 0)
	if code != errOK {
		return nil, code
	}
	switch parent := q.tree().nodes[parentOf(path)]; {
	case !allowed(parent.acl, PermDelete, q.c.ids):
		return nil, errNoAuth
	case version != -1 && version != n.stat.Version:
		return nil, errBadVersion
	case len(n.children) > 0:
		return nil, errNotEmpty
	}
	q.tree().remove(path)
	return nil, errOK
}

func (q *request) sync() (func(*reply), errCode) {
	path := q.in.string()
	return func(r *reply) { r.string(path) }, errOK
}

func (q *request) setWatches() (func(*reply), errCode) {
	since, data, exist, child := q.in.long(), q.in.strings(), q.in.strings(), q.in.strings()
	if q.in.err == nil {
		q.tree().renew(q.c, since, data, exist, child)
	}
	return nil, errOK
}

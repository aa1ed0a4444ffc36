package zookeeper

import (
	"slices"
	"strings"
)

// flagEphemeral and flagSequential are bits of a create request's flags; all others stand for
// containers and nodes with a time to live.
const (
	flagEphemeral  = 1
	flagSequential = 2
)

func (q *request) create(stat bool) (func(*reply), errCode) {
	path, data, asked, flags := q.in.string(), q.in.buffer(), q.in.acl(), q.in.int()
	sequential := flags&flagSequential != 0
	if q.in.err != nil || flags&^(flagEphemeral|flagSequential) != 0 || path == "/" || !sequential && !validPath(path) || !strings.HasPrefix(path, "/") {
		return nil, errBadArguments
	}
	acl, code := fixACL(asked, q.c.ids)
	if code != errOK {
		return nil, code
	}
	parent, code := q.find(parentOf(path), PermCreate)
	if code != errOK {
		return nil, code
	}
	if sequential {
		path = q.tree().sequential(path, parent)
	}
	switch {
	case !validPath(path):
		return nil, errBadArguments
	case q.tree().nodes[path] != nil:
		return nil, errNodeExists
	case parent.stat.EphemeralOwner != 0:
		return nil, errNoChildrenForEphemerals
	}
	var owner int64
	if flags&flagEphemeral != 0 {
		owner = q.c.session.id
	}
	n := q.tree().create(path, data, acl, owner)
	return func(r *reply) {
		r.string(path)
		if stat {
			r.stat(n.shown())
		}
	}, errOK
}

func (q *request) getACL() (func(*reply), errCode) {
	n, code := q.find(q.in.string(), PermRead|PermAdmin)
	if code != errOK {
		return nil, code
	}
	acl := n.acl
	if !allowed(acl, PermAdmin, q.c.ids) {
		acl = maskACL(acl)
	}
	return func(r *reply) { r.acl(acl); r.stat(n.shown()) }, errOK
}

func (q *request) setACL() (func(*reply), errCode) {
	path, asked, version := q.in.string(), q.in.acl(), q.in.int()
	if q.in.err != nil || !validPath(path) {
		return nil, errBadArguments
	}
	acl, code := fixACL(asked, q.c.ids)
	if code != errOK {
		return nil, code
	}
	n, code := q.find(path, PermAdmin)
	switch {
	case code != errOK:
		return nil, code
	case version != -1 && version != n.stat.Aversion:
		return nil, errBadVersion
	}
	n.acl = acl
	n.stat.Aversion++
	return func(r *reply) { r.stat(n.shown()) }, errOK
}

// auth adds an identity to a connection. An unknown scheme ends it, after the answer.
func (q *request) auth() (func(*reply), errCode) {
	q.in.int() // type, 0
	scheme, secret := q.in.string(), string(q.in.buffer())
	user, password, ok := strings.Cut(secret, ":")
	switch {
	case scheme == "digest" && ok:
		id := DigestID(user, password)
		if !slices.Contains(q.c.ids, id) {
			q.c.ids = append(q.c.ids, id)
		}
		return nil, errOK
	case scheme == "ip":
		return nil, errOK // the address counts anyway
	}
	return nil, errAuthFailed
}

// whoAmI lists the client's identities, hashes left out.
func (q *request) whoAmI() (func(*reply), errCode) {
	return func(r *reply) {
		r.int(int32(len(q.c.ids)))
		for _, id := range q.c.ids {
			user := id.ID
			if id.Scheme == "digest" {
				user, _, _ = strings.Cut(user, ":")
			}
			r.string(id.Scheme)
			r.string(user)
		}
	}, errOK
}

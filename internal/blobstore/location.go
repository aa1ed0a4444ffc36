package blobstore

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

// Location is a place that a person wrote: a path of this machine, or hdfs://[user@]host:port[,host:port]/path.
type Location struct {
	// NameNodes and User are empty for a path of this machine; User may be for HDFS too.
	NameNodes []string
	User      string
	// Path is absolute.
	Path string
}

// ParseLocation reads a place. A relative path is taken from the working directory.
func ParseLocation(s string) (Location, error) {
	rest, isHDFS := strings.CutPrefix(s, "hdfs://")
	if !isHDFS {
		if scheme, _, ok := strings.Cut(s, "://"); ok || s == "" {
			return Location{}, fmt.Errorf("%q is no path and no hdfs:// address (scheme %q)", s, scheme)
		}
		p, err := filepath.Abs(s)
		return Location{Path: filepath.ToSlash(p)}, err
	}
	authority, p, _ := strings.Cut(rest, "/")
	l := Location{Path: path.Clean("/" + p)}
	if user, hosts, ok := strings.Cut(authority, "@"); ok {
		l.User, authority = user, hosts
	}
	l.NameNodes = strings.Split(authority, ",")
	if _, err := nameNodes(nil, l.NameNodes); err != nil {
		return Location{}, fmt.Errorf("%q: %w", s, err)
	}
	return l, nil
}

// Open gives the store whose root is so many folders above the place, and the name of the place in it. What of o is about
// addresses, user and root is replaced.
func (l Location) Open(ctx context.Context, above int, o HDFSOptions) (Store, string, error) {
	root, name := l.Path, "."
	for range above {
		name = Join(path.Base(root), name)
		root = path.Dir(root)
	}
	if len(l.NameNodes) == 0 {
		s, err := OpenLocal(ctx, filepath.FromSlash(root), o.Deadlines)
		if err != nil {
			return nil, "", err
		}
		return s, name, nil
	}
	o.NameNodes, o.Root = l.NameNodes, root
	if l.User != "" {
		o.User = l.User
	}
	s, err := OpenHDFS(ctx, o)
	if err != nil {
		return nil, "", err
	}
	return s, name, nil
}

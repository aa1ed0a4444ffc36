package zookeeper

import (
	"bytes"
	"fmt"
)

// Put writes a node without a client: it is made when it is absent, with its parents, open to all.
// Watches are triggered. It works while the server is down.
func (s *Server) Put(path string, data []byte) error {
	if !validPath(path) || path == "/" {
		return fmt.Errorf("zookeeper: %q is no path of a node", path)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tree.next()
	for i := 1; i < len(path); i++ {
		if path[i] == '/' && s.tree.nodes[path[:i]] == nil {
			s.tree.create(path[:i], []byte{}, OpenACL(), 0)
		}
	}
	data = append([]byte{}, data...)
	if n := s.tree.nodes[path]; n != nil {
		s.tree.set(path, n, data)
	} else {
		s.tree.create(path, data, OpenACL(), 0)
	}
	return nil
}

// Get reads a node without a client; ok is false when it is absent.
func (s *Server) Get(path string) (data []byte, stat Stat, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.tree.nodes[path]
	if n == nil {
		return nil, Stat{}, false
	}
	return bytes.Clone(n.data), n.shown(), true
}

// Children are the names below a node in alphabetical order, nil for a node that is absent.
func (s *Server) Children(path string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.tree.nodes[path]; n != nil {
		return n.names()
	}
	return nil
}

// SetACL replaces the ACL of a node without a client.
func (s *Server) SetACL(path string, acl []ACL) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.tree.nodes[path]
	if n == nil {
		return fmt.Errorf("zookeeper: there is no node %s", path)
	}
	s.tree.next()
	n.acl = acl
	n.stat.Aversion++
	return nil
}

// Remove deletes a node without a client; one that has children stays.
func (s *Server) Remove(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n := s.tree.nodes[path]; {
	case n == nil || path == "/":
		return fmt.Errorf("zookeeper: there is no node %s to remove", path)
	case len(n.children) > 0:
		return fmt.Errorf("zookeeper: %s has children", path)
	}
	s.tree.next()
	s.tree.remove(path)
	return nil
}

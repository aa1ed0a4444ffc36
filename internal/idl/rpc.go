package idl

import (
	"maps"
	"slices"
)

// Kind says which server answers an RPC.
type Kind int

// The kinds of RPC.
const (
	// KindMeta is answered by the leading meta server.
	KindMeta Kind = iota + 1
	// KindReplica is a data request, answered by the primary of a partition. It
	// must never be sent to a meta server, which dies of it.
	KindReplica
	// KindReplicaAdmin is answered by a replica server about itself.
	KindReplicaAdmin
	// KindRemote is a remote command, answered by every server.
	KindRemote
)

// String names the kind.
func (k Kind) String() string {
	switch k {
	case KindMeta:
		return "meta"
	case KindReplica:
		return "data"
	case KindReplicaAdmin:
		return "replica admin"
	case KindRemote:
		return "remote command"
	default:
		return "unknown"
	}
}

// RPC describes a request that servers understand. Entries of the table are shared
// and must not be changed.
type RPC struct {
	// Name is the task code that travels, e.g. NameGet.
	Name string
	Kind Kind
	// OneWay tells that no response ever comes; NewResponse is nil then.
	OneWay bool
	// NewRequest and NewResponse make an empty argument and result.
	NewRequest, NewResponse func() Message
}

// rpcByName is built once and only read.
var rpcByName = indexRPCs(rpcs())

// indexRPCs maps names to entries.
func indexRPCs(table []RPC) map[string]*RPC {
	index := make(map[string]*RPC, len(table))
	for i := range table {
		index[table[i].Name] = &table[i]
	}
	return index
}

// Lookup finds an RPC by its name on the wire.
func Lookup(name string) (*RPC, bool) {
	r, ok := rpcByName[name]
	return r, ok
}

// All is every RPC, ordered by name. The slice is the caller's.
func All() []*RPC {
	all := make([]*RPC, 0, len(rpcByName))
	for _, name := range slices.Sorted(maps.Keys(rpcByName)) {
		all = append(all, rpcByName[name])
	}
	return all
}

// lookupBytes is Lookup without making a string, nil for an unknown name.
func lookupBytes(name []byte) *RPC { return rpcByName[string(name)] }

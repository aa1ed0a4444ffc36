// Package metaproxy reads and changes the record in ZooKeeper that leads clients of a MetaProxy to
// a table's cluster, and asks MetaProxies where they lead.
//
// The record is the znode <root>/<table>, a JSON object with "cluster_name" and "meta_addrs"
// (pegasus-kv/meta-proxy, meta/client.go). MetaProxies watch it. What a proxy does with a bad one
// decides how it is written here: invalid JSON ends every proxy process that watches the record, a
// record that is deleted for a moment fails clients. So a record is changed by one Set of complete,
// valid JSON on the version that was read, and never created or deleted. Fields of others stay as
// they are, byte for byte.
//
// # One session per call
//
// Every call opens a ZooKeeper session, does its work and ends the session; nothing runs between
// calls. Sessions cannot expire under a caller that way, and no goroutine outlives a call. Reads
// begin with a sync, because a ZooKeeper server that follows may answer with an old state.
//
// # A Set whose answer is lost
//
// CompareAndSet sends at most one Set. The connection is watched (guard.go), so that an error says
// truthfully whether the Set can have left this process. When it did leave and no answer came, the
// record is read back on a new session:
//
//   - our data at the version after ours: it was done;
//   - other data at that version: ours is lost for good, ErrMoved;
//   - the old version: ErrOutcomeUnknown. The request may still lie in a socket or in a server's
//     queue and be done after the read.
//
// In the last case only a later write on the same old version ends the doubt: ZooKeeper orders all
// writes, each raises the version, and a Set on a version that has passed fails with BadVersion. That
// write is Fence, which writes what is there already. Once Fence has succeeded no earlier Set can
// take effect any more; when it answers ErrMoved the earlier Set, or somebody else, was first.
package metaproxy

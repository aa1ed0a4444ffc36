// Package pegasus is the client of one Pegasus cluster. What comes out of it are plain
// types of ours: tables, nodes, rows and errors that say what happened where.
//
// Meta requests go to the leader, which is found and followed by the client: a Cluster
// is opened from a list of addresses, and when none of them leads to a leader the
// error says what each one answered. A request that must not be repeated (create,
// drop, recall, rename) is never sent twice; when its answer is lost the error is
// ErrOutcomeUnknown and the caller has to ask the cluster.
//
// A Table reads and writes rows. Requests follow the primaries and are repeated until
// their deadline for as long as the reason may go away; every repetition is reported
// with its reason, so that the engines above can slow down and say why. A table that
// is replaced or split under the client is an error at once (TableChangedError),
// because routing and resume cursors would silently be wrong.
//
// The hot path is Table.Send: it writes a row without allocating and without a
// goroutine, timer or closure per row, and reports the acknowledgement to an Acker by
// the caller's tag. Table.Put is the same with a function per row.
//
// A Scan reads one partition page by page, one page ahead. It follows every rule that
// servers have for scan contexts; rows come in strictly rising order of their raw keys
// or the scan fails.
package pegasus

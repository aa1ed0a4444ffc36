// Package sandbox runs Apache Pegasus clusters inside this process: meta and replica
// servers on real TCP ports that frame, answer, refuse and die as release 2.5.0
// does, or 2.4.0 or 2.6.0 (Config.Version). Tests and `pegmigrate sandbox` use it. It enforces what a server enforces,
// or it would prove nothing; GAPS.md lists what it does not do.
//
// # Use
//
// Start makes a cluster; its addresses go to the client under test. Methods of
// Cluster act without RPC: CreateTable, WaitHealthy, Load, Fill, Dump, SetEnvs,
// SyncEnvs, KillReplica, MovePrimary, LoseMetaLeader and so on. Link makes clusters
// know each other, so that tables can be duplicated. A Hook sees every
// call before and after its handling and answers with a Verdict; Inject starts
// faults that happen by chance or by the clock. Up runs clusters for other
// processes, which act on them through Remote.
//
// # Time
//
// Every interval of the servers is in Timing: the real default divided by
// Config.TimeFactor. Expiry of rows, throttling and iteration limits are not
// scaled. All of it reads one Clock, and ManualClock lets a test move it.
//
// # How it is built
//
// A server is one listening process. Its connections (conn.go) decode many frames
// from one read, run their handlers in place, and send the replies in one write. The
// one table of handlers is in handlers.go, with a file for each RPC or family of
// RPCs: rrdb_*.go for data, meta_*.go for the metas, admin.go for replica servers,
// remote.go for remote commands, http.go for other protocols on the same port.
//
// What metas know is in Cluster, table and partitionState, under one mutex. Rows and
// decrees are in partition, under one mutex each, which also guards the replicas of
// the partition: their roles, their view of the envs and their scans. The guardian
// (guardian.go, roles.go) cures partitions, sync.go carries envs: to primaries with
// config sync, to secondaries with group check, so that a fence goes up partition by
// partition and leaks through a primary that moves.
//
// Duplication: duplication.go and meta_dup.go are what the meta knows and answers,
// dup_sync.go the exchange with replica servers that drives it, follower.go and
// checkpoint.go the copy, duplicator.go, duplicator_ship.go and mutationlog.go what a
// primary ships, outbound.go how servers ask those of other clusters, and peers.go what
// each server's configuration says of them.
//
// Load: capacity.go bounds what servers do per second, latency.go and the perf_*.go files are what they
// report of it. pattern.go makes tables of tens of millions of rows that take a bit each.
//
// The package must not import the client packages (wire, pegasus): a mistake that
// both sides share would be seen by no test. It shares only the codecs, which are
// held to recordings of a real cluster.
package sandbox

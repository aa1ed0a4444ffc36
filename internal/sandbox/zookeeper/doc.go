// Package zookeeper is a ZooKeeper server in memory that speaks the client protocol (jute over TCP):
// what MetaProxy, this project's own client and ZooKeeper's command line need of one, so that a
// demonstration of a route change needs nothing installed.
//
// It behaves as one server of release 3.8 that stands alone: sessions with their negotiated timeout,
// which clients take up again on another connection and which expire; the node tree with versions and
// transaction numbers; ACLs of the schemes world, digest, ip and auth; one-shot watches and their
// renewal after a reconnection. Requests of one connection are answered in their order, and a watch
// event is sent before any answer that shows what it announces.
//
// What it does not do: multi and everything else that is answered Unimplemented (see requests.go);
// quotas; SASL, TLS and x509; observers, quorums and the words of four letters; snapshots and logs,
// so that its nodes end with it. Children are listed in alphabetical order, real servers list them in
// that of a hash table. Sessions expire when somebody looks, every quarter of the shortest timeout;
// real servers look once per tick.
//
// The same tests run against it and against a real server (conform_test.go).
package zookeeper

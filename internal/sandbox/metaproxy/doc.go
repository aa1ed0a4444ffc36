// Package metaproxy simulates MetaProxy (github.com/pegasus-kv/meta-proxy): what clients take for
// their meta server, and what sends them to the cluster that a record in ZooKeeper names.
//
// It serves one request, RPC_CM_QUERY_PARTITION_CONFIG_BY_INDEX, with headers of both versions, and
// leaves all others unanswered. It reads the record of a table once, watches it, keeps it, asks one
// of the record's metas and passes the answer on unchanged. As the real one it goes on serving the
// record that it has when its watch ends with a lost session, and dies of a changed record that is
// no JSON, or that it cannot read at that moment.
//
// To ZooKeeper it is an ordinary client, with the library that the real one uses, so that it can
// stand before a real server as well.
//
// Not simulated: the bound of the cache (table_watcher_cache_capacity, LRU), metrics, and what its
// 2021 Go client does to meta connections (no new dial within 60 s of the last): metas are dialled
// for each query.
package metaproxy

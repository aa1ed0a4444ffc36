package sandbox

import (
	"slices"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// Flags of metas that ingestions depend on, all mutable.
const (
	flagMaxIngesting   = "bulk_load_node_max_ingesting_count"
	flagVerifyIngest   = "bulk_load_verify_before_ingest"
	flagConcurrentLoad = "enable_concurrent_bulk_load"
)

// bulkIngestion begins the ingestion of a partition when its servers have a place for it
// (bulk_load_service::partition_ingestion).
func (c *Cluster) bulkIngestion(l *bulkLoad, i int) {
	if l.status != idl.BulkLoadIngesting {
		return
	}
	part := &l.parts[i]
	if part.metadata == nil {
		c.failBulk(l, idl.ErrCorruption)
		return
	}
	p := c.bulkReady(l, i, true, c.bulkIngestion)
	if p == nil {
		return
	}
	nodes := append([]*replicaNode{p.primary}, p.secondaries...)
	if sameNodes(part.ingestedBy, nodes) {
		c.setBulkPartition(l, i, idl.BulkLoadSucceed)
		return
	}
	if !c.placeIngestion(nodes) {
		c.retryIngestion(l, i)
		return
	}
	part.ingesting = nodes
	primary, ballot, turn := p.primary, p.ballot, l.turn
	c.afterLocked(c.timing.BulkPoll, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.leadsBulk(l, turn) {
			c.sendIngestion(l, i, primary, ballot)
		}
	})
}

func (c *Cluster) retryIngestion(l *bulkLoad, i int) {
	turn := l.turn
	c.afterLocked(c.bulkPause(idl.BulkLoadIngesting), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.leadsBulk(l, turn) {
			c.bulkIngestion(l, i)
		}
	})
}

func sameNodes(a, b []*replicaNode) bool {
	if len(a) != len(b) {
		return false
	}
	for _, n := range a {
		if !slices.Contains(b, n) {
			return false
		}
	}
	return true
}

// placeIngestion tells whether all of these servers may ingest one partition more.
func (c *Cluster) placeIngestion(nodes []*replicaNode) bool {
	limit := c.leader.srv.flagInt(flagMaxIngesting)
	for _, n := range nodes {
		count := int64(0)
		for _, l := range c.bulkLoads {
			for i := range l.parts {
				if slices.Contains(l.parts[i].ingesting, n) {
					count++
				}
			}
		}
		if count >= limit {
			return false
		}
	}
	return true
}

// sendIngestion sends RPC_RRDB_RRDB_BULK_LOAD to a primary, on the path of the writes of
// clients: fences and throttling stop it as they stop those.
func (c *Cluster) sendIngestion(l *bulkLoad, i int, primary *replicaNode, ballot int64) {
	verify, _ := c.leader.srv.flag(flagVerifyIngest)
	req := &idl.IngestionRequest{AppName: l.app, Metadata: *l.parts[i].metadata, IngestBehind: l.behind, Ballot: ballot,
		VerifyBeforeIngest: verify.Value == "true"}
	turn := l.turn
	c.ingestRPC(primary, idl.Gpid{AppID: l.appID, Partition: int32(i)}, req, func(code idl.ErrorCode) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.leadsBulk(l, turn) || code.OK() {
			return
		}
		l.parts[i].ingesting = nil
		if code != idl.ErrNoNeedOperate {
			c.rollBackBulk(l)
		}
	})
}

// ingestRPC lets a primary handle the request as one of a client, and tells the code of the
// answer's header; none within the timeout of the RPC is ERR_TIMEOUT.
func (c *Cluster) ingestRPC(n *replicaNode, gpid idl.Gpid, req *idl.IngestionRequest, reply func(idl.ErrorCode)) {
	answer := func(code idl.ErrorCode) { c.afterLocked(0, func() { reply(code) }) }
	if code := c.innerCall(n, idl.NameIngest, gpid); !code.OK() {
		answer(code)
		return
	}
	r := n.replica(gpid)
	if r == nil {
		answer(idl.ErrObjectNotFound)
		return
	}
	if n.deaf.Load() {
		c.afterLocked(c.timing.RPCTimeout, func() { reply(idl.ErrTimeout) })
		return
	}
	q := &request{srv: n.srv}
	q.Name, q.Gpid, q.TimeoutMs, q.BodyLength = idl.NameIngest, gpid, ingestTimeoutMs, uint32(ingestBody)
	q.PartitionHash = uint64(gpid.Partition)
	var try func()
	try = func() {
		r.part.mu.Lock()
		defer r.part.mu.Unlock()
		switch a := r.admitWrite(q); {
		case a == (admission{}):
			r.ingest(req)
			answer(idl.ErrOK)
		case a.silent:
			c.afterLocked(c.timing.RPCTimeout, func() { reply(idl.ErrTimeout) })
		case a.code == "":
			q.unthrottled = true
			c.afterLocked(a.delay, try)
		default:
			n.srv.perf.refused(true, a.code)
			c.afterLocked(a.delay, func() { reply(a.code) })
		}
	}
	try()
}

// Sizes of an ingestion request as throttling sees it: default rpc timeout, and a body that
// lists a few files.
const (
	ingestTimeoutMs = 5000
	ingestBody      = 512
)

// ingestRequest is the handler of RPC_RRDB_RRDB_BULK_LOAD, for whoever else sends it.
func ingestRequest(r *replica, q *request, m *idl.IngestionRequest, out []byte) []byte {
	req := *m
	r.ingest(&req)
	return q.reply(out, &idl.IngestionResponse{Err: idl.ErrOK})
}

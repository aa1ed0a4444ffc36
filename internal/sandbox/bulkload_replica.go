package sandbox

import (
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// bulkContext is what a replica knows of a bulk load, in the memory of its server
// (replica_bulk_loader.cpp). partition.mu guards it.
type bulkContext struct {
	status      idl.BulkLoadStatus
	download    idl.ErrorCode // "" for ERR_OK
	progress    int32         // percent
	size        int64         // downloaded
	metadata    *idl.BulkLoadMetadata
	downloading bool // holds a place among the server's downloads
	started     time.Time
	round       int // of downloads, so that what was stopped does not go on

	ingest idl.IngestionStatus
	// ingesting: every write is refused (_is_bulk_load_ingestion).
	ingesting   bool
	ingestSince time.Time

	// peers is what the secondaries told a primary, a request ago.
	peers map[*replicaNode]idl.PartitionBulkLoadState
}

// bulkRequest is a bulk_load_request of the meta, or a group_bulk_load_request of a primary.
type bulkRequest struct {
	load         *bulkLoad
	status       idl.BulkLoadStatus
	ballot       int64
	wantMetadata bool
}

// bulkResponse is a bulk_load_response.
type bulkResponse struct {
	err                                      idl.ErrorCode
	states                                   map[*replicaNode]idl.PartitionBulkLoadState
	progress                                 int32 // percent, of all replicas
	metadata                                 *idl.BulkLoadMetadata
	groupIngested, groupCleaned, groupPaused bool
}

// callBulkLoad is RPC_BULK_LOAD: the primary takes its step, answers, and then tells its
// secondaries. Cluster.mu must be held.
func (c *Cluster) callBulkLoad(p *partitionState, req bulkRequest) bulkResponse {
	if code := c.innerCall(p.primary, nameBulkLoad, p.gpid()); !code.OK() {
		return bulkResponse{err: code}
	}
	r := p.primary.replica(p.gpid())
	if r == nil {
		return bulkResponse{err: idl.ErrObjectNotFound}
	}
	resp := bulkResponse{err: idl.ErrOK}
	r.part.mu.Lock()
	switch {
	case r.status != idl.ReplicaPrimary || r.ballot != req.ballot:
		resp.err = idl.ErrInvalidState
	default:
		if resp.err = r.bulkStep(req); resp.err.OK() {
			r.reportBulk(p, req, &resp)
		}
	}
	r.part.mu.Unlock()
	if !resp.err.OK() {
		return resp
	}
	for _, s := range p.secondaries {
		state, ok := c.callGroupBulkLoad(p, s, req)
		r.part.mu.Lock()
		if r.bulk.peers == nil {
			r.bulk.peers = map[*replicaNode]idl.PartitionBulkLoadState{}
		}
		if delete(r.bulk.peers, s); ok {
			r.bulk.peers[s] = state
		}
		r.part.mu.Unlock()
	}
	return resp
}

// callGroupBulkLoad is RPC_GROUP_BULK_LOAD.
func (c *Cluster) callGroupBulkLoad(p *partitionState, n *replicaNode, req bulkRequest) (idl.PartitionBulkLoadState, bool) {
	r := n.replica(p.gpid())
	if code := c.innerCall(n, nameGroupBulkLoad, p.gpid()); !code.OK() || r == nil {
		return idl.PartitionBulkLoadState{}, false
	}
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	if r.status != idl.ReplicaSecondary || !r.bulkStep(req).OK() {
		return idl.PartitionBulkLoadState{}, false
	}
	return r.bulkState(req.status), true
}

// bulkStep is do_bulk_load.
func (r *replica) bulkStep(req bulkRequest) idl.ErrorCode {
	b := &r.bulk
	if !bulkFits(req.status, b.status) {
		return idl.ErrInvalidState
	}
	switch req.status {
	case idl.BulkLoadDownloading:
		switch b.status {
		case idl.BulkLoadInvalid, idl.BulkLoadPaused, idl.BulkLoadIngesting, idl.BulkLoadSucceed:
			return r.startDownload(req.load)
		}
	case idl.BulkLoadIngesting:
		if b.status == idl.BulkLoadDownloaded {
			b.status = idl.BulkLoadIngesting
			r.node.srv.perf.files.bulkIngestion.Add(1)
		} else if r.status == idl.ReplicaPrimary && b.ingest == idl.IngestionSucceed {
			r.part.empty()
		}
	case idl.BulkLoadSucceed:
		switch b.status {
		case idl.BulkLoadDownloaded, idl.BulkLoadIngesting:
			r.part.takeCheckpoint()
			b.ingest, b.status = idl.IngestionInvalid, idl.BulkLoadSucceed
			r.node.srv.perf.files.bulkSucceed.Add(1)
		default:
			r.endBulk()
		}
	case idl.BulkLoadPausing:
		r.stopDownload()
		b.status = idl.BulkLoadPaused
	case idl.BulkLoadCanceled:
		r.endBulk()
	case idl.BulkLoadFailed:
		r.endBulk()
		r.node.srv.perf.files.bulkFailed.Add(1)
	}
	return idl.ErrOK
}

// bulkFits is validate_status: the meta's state against the replica's.
func bulkFits(meta, local idl.BulkLoadStatus) bool {
	is := func(list ...idl.BulkLoadStatus) bool {
		for _, s := range list {
			if s == local {
				return true
			}
		}
		return false
	}
	switch meta {
	case idl.BulkLoadDownloading:
		return !is(idl.BulkLoadFailed, idl.BulkLoadPausing, idl.BulkLoadCanceled)
	case idl.BulkLoadDownloaded:
		return is(idl.BulkLoadDownloaded)
	case idl.BulkLoadIngesting:
		return is(idl.BulkLoadDownloaded, idl.BulkLoadIngesting)
	case idl.BulkLoadSucceed:
		return is(idl.BulkLoadDownloaded, idl.BulkLoadIngesting, idl.BulkLoadSucceed, idl.BulkLoadInvalid)
	case idl.BulkLoadPausing:
		return is(idl.BulkLoadInvalid, idl.BulkLoadDownloading, idl.BulkLoadDownloaded, idl.BulkLoadPausing, idl.BulkLoadPaused)
	case idl.BulkLoadPaused:
		return false
	default:
		return true
	}
}

// emptyBulkState is a state with the defaults of the IDL, which travel.
func emptyBulkState() idl.PartitionBulkLoadState {
	return idl.PartitionBulkLoadState{DownloadProgress: new(int32(0)), IngestStatus: new(idl.IngestionInvalid), IsCleanedUp: new(false), IsPaused: new(false)}
}

// bulkState is what a replica tells in a state of the load.
func (r *replica) bulkState(status idl.BulkLoadStatus) idl.PartitionBulkLoadState {
	s := emptyBulkState()
	switch status {
	case idl.BulkLoadDownloading, idl.BulkLoadDownloaded:
		s.DownloadProgress, s.DownloadStatus = new(r.bulk.progress), new(orDefault(r.bulk.download, idl.ErrOK))
	case idl.BulkLoadIngesting:
		s.IngestStatus = new(r.bulk.ingest)
	case idl.BulkLoadSucceed, idl.BulkLoadCanceled, idl.BulkLoadFailed:
		s.IsCleanedUp = new(r.bulkClean())
	case idl.BulkLoadPausing:
		s.IsPaused = new(r.bulk.status == idl.BulkLoadPaused)
	}
	return s
}

// reportBulk is report_bulk_load_states_to_meta: the primary's own state of now, and those
// of the secondaries as they were at the last request.
func (r *replica) reportBulk(p *partitionState, req bulkRequest, resp *bulkResponse) {
	if req.wantMetadata && r.bulk.metadata != nil && len(r.bulk.metadata.Files) > 0 {
		resp.metadata = r.bulk.metadata
	}
	own := r.bulkState(req.status)
	resp.states = map[*replicaNode]idl.PartitionBulkLoadState{r.node: own}
	group := len(p.secondaries)+1 == int(p.table.info.MaxReplicaCount)
	resp.groupIngested = group && *own.IngestStatus == idl.IngestionSucceed
	resp.groupCleaned, resp.groupPaused = group && *own.IsCleanedUp, group && *own.IsPaused
	total := *own.DownloadProgress
	for _, n := range p.secondaries {
		s, ok := r.bulk.peers[n]
		if !ok {
			s = emptyBulkState()
		}
		resp.states[n] = s
		total += *s.DownloadProgress
		resp.groupIngested = resp.groupIngested && *s.IngestStatus == idl.IngestionSucceed
		resp.groupCleaned = resp.groupCleaned && *s.IsCleanedUp
		resp.groupPaused = resp.groupPaused && *s.IsPaused
	}
	resp.progress = total / p.table.info.MaxReplicaCount
	if req.status == idl.BulkLoadIngesting && resp.groupIngested {
		r.bulk.ingesting = false // writes are taken again at once
	}
}

// bulkClean is is_cleaned_up.
func (r *replica) bulkClean() bool {
	b := &r.bulk
	return b.status == idl.BulkLoadInvalid && b.size == 0 && b.progress == 0 && b.download == "" && b.metadata == nil &&
		!b.ingesting && b.ingest == idl.IngestionInvalid && len(r.staged) == 0
}

// endBulk forgets everything about a load (handle_bulk_load_finish).
func (r *replica) endBulk() {
	if r.bulkClean() {
		return
	}
	clear(r.staged)
	r.clearBulk()
}

// clearBulk is clear_bulk_load_states; downloaded files stay.
func (r *replica) clearBulk() {
	r.stopDownload()
	r.bulk = bulkContext{round: r.bulk.round}
}

// changedRole forgets a load when the replica got another role while it was under way
// (clear_bulk_load_states_if_needed).
func (r *replica) changedRole() {
	switch r.bulk.status {
	case idl.BulkLoadSucceed, idl.BulkLoadCanceled, idl.BulkLoadFailed, idl.BulkLoadInvalid:
	default:
		r.clearBulk()
	}
}

package sandbox

import (
	"maps"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// bulkLoad is a load as metas know it (meta_bulk_load_service.cpp): status, error and what
// each partition has come to are in ZooKeeper, the rest is in the memory of the leading meta.
// Cluster.mu guards it.
type bulkLoad struct {
	appID                   int32
	app                     string
	cluster, provider, root string
	behind                  bool
	status                  idl.BulkLoadStatus
	err                     idl.ErrorCode
	everIngesting           bool
	parts                   []bulkPartition

	inProgress  int
	rollbacks   int
	rollingBack bool
	cleaningUp  bool
	// dropped: what was in progress is forgotten, only the result is left.
	dropped bool
	// turn counts leaders, so that what one of them began is not gone on with by the next.
	turn int
}

// bulkPartition is one partition of a load.
type bulkPartition struct {
	status   idl.BulkLoadStatus
	metadata *idl.BulkLoadMetadata
	// ingestedBy are the servers on which the ingestion was seen to have succeeded.
	ingestedBy []*replicaNode
	states     map[*replicaNode]idl.PartitionBulkLoadState
	cleanedUp  bool
	// ingesting holds a place among the ingestions of its servers.
	ingesting []*replicaNode
}

// again asks the primary of a partition, later (try_resend_bulk_load_request).
func (c *Cluster) againBulk(l *bulkLoad, i int, d time.Duration) {
	turn := l.turn
	c.afterLocked(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.leadsBulk(l, turn) {
			c.bulkPartition(l, i)
		}
	})
}

// leadsBulk tells whether a load is still the business of the meta that began a step.
func (c *Cluster) leadsBulk(l *bulkLoad, turn int) bool {
	return c.leader != nil && c.active && l.turn == turn && !l.dropped && c.bulkLoads[l.appID] == l
}

// bulkPause is the time between two requests to a partition: 10 s, and 150 ms while it
// ingests from 2.6 on (#2195).
func (c *Cluster) bulkPause(status idl.BulkLoadStatus) time.Duration {
	if status == idl.BulkLoadIngesting && c.release >= release26 {
		return c.timing.BulkIngestPoll
	}
	return c.timing.BulkPoll
}

// bulkTable is the table of a load, nil when it serves no more: then what was in progress
// is forgotten, the lock of the cluster is not (handle_app_unavailable).
func (c *Cluster) bulkTable(l *bulkLoad) *table {
	t := c.tableByID(l.appID)
	if t == nil || !t.serving() {
		if !l.cleaningUp {
			l.cleaningUp, l.dropped = true, true
		}
		return nil
	}
	return t
}

// bulkReady makes the checks of check_partition_status; without a replica the request is
// made again a second later. always: in every state all replicas must be there.
func (c *Cluster) bulkReady(l *bulkLoad, i int, always bool, retry func(*bulkLoad, int)) *partitionState {
	t := c.bulkTable(l)
	if t == nil {
		return nil
	}
	p := t.partitions[i]
	if p.primary != nil && (p.complete() || !always && slices.Contains([]idl.BulkLoadStatus{
		idl.BulkLoadDownloading, idl.BulkLoadPausing, idl.BulkLoadCanceled, idl.BulkLoadFailed}, l.parts[i].status)) {
		return p
	}
	turn := l.turn
	c.afterLocked(c.timing.BulkUnhealthy, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.leadsBulk(l, turn) {
			retry(l, i)
		}
	})
	return nil
}

// bulkPartition is one exchange with the primary of a partition.
func (c *Cluster) bulkPartition(l *bulkLoad, i int) {
	p := c.bulkReady(l, i, false, c.bulkPartition)
	if p == nil {
		return
	}
	part := &l.parts[i]
	req := bulkRequest{load: l, status: part.status, ballot: p.ballot, wantMetadata: part.metadata == nil}
	resp := c.callBulkLoad(p, req)
	switch {
	case resp.err == idl.ErrNetworkFailure || resp.err == idl.ErrTimeout || resp.err == idl.ErrObjectNotFound || resp.err == idl.ErrInvalidState:
		c.rollBackBulk(l)
	case resp.err == idl.ErrBusy:
	case !resp.err.OK():
		c.failBulk(l, resp.err)
	case req.ballot < p.ballot:
		c.rollBackBulk(l)
	default:
		switch l.status {
		case idl.BulkLoadDownloading:
			c.bulkDownloading(l, i, resp)
		case idl.BulkLoadDownloaded:
			c.setBulkPartition(l, i, idl.BulkLoadIngesting)
		case idl.BulkLoadIngesting:
			c.bulkIngesting(l, i, resp)
		case idl.BulkLoadSucceed, idl.BulkLoadFailed, idl.BulkLoadCanceled:
			c.bulkFinish(l, i, resp)
		case idl.BulkLoadPausing:
			part.states = resp.states
			if resp.groupPaused {
				c.setBulkPartition(l, i, idl.BulkLoadPaused)
			}
		case idl.BulkLoadPaused:
			return // it is not asked any more
		}
	}
	if !l.dropped && c.isBulkLoading(l) {
		c.againBulk(l, i, c.bulkPause(part.status))
	}
}

// isBulkLoading tells whether the meta has the load among those under way.
func (c *Cluster) isBulkLoading(l *bulkLoad) bool {
	t := c.tableByID(l.appID)
	return t != nil && c.bulkLoads[l.appID] == l && isTrue(t.info.IsBulkLoading)
}

// bulkDownloading is handle_app_downloading.
func (c *Cluster) bulkDownloading(l *bulkLoad, i int, resp bulkResponse) {
	for _, s := range resp.states {
		if s.DownloadProgress == nil || s.DownloadStatus == nil {
			return
		}
		if code := *s.DownloadStatus; !code.OK() {
			if code != idl.ErrFileOperationFailed && code != idl.ErrFSInternal && code != idl.ErrCorruption {
				code = idl.ErrUnknown
			}
			c.failBulk(l, code)
			return
		}
	}
	part := &l.parts[i]
	if part.metadata == nil {
		part.metadata = resp.metadata
	}
	part.states = resp.states
	if resp.progress >= bulkComplete {
		c.setBulkPartition(l, i, idl.BulkLoadDownloaded)
	}
}

// bulkComplete is the progress of a download that is done, in percent.
const bulkComplete = 100

// bulkIngesting is handle_app_ingestion.
func (c *Cluster) bulkIngesting(l *bulkLoad, i int, resp bulkResponse) {
	for _, s := range resp.states {
		switch {
		case s.IngestStatus == nil:
			return
		case *s.IngestStatus == idl.IngestionFailed:
			l.parts[i].ingesting = nil
			c.failBulk(l, idl.ErrIngestionFailed)
			return
		}
	}
	l.parts[i].states = resp.states
	if resp.groupIngested {
		l.parts[i].ingesting = nil
		c.setBulkPartition(l, i, idl.BulkLoadSucceed)
	}
}

// bulkFinish is handle_bulk_load_finish: when all replicas of all partitions have forgotten
// the load it is over, and the lock of the cluster is free.
func (c *Cluster) bulkFinish(l *bulkLoad, i int, resp bulkResponse) {
	part := &l.parts[i]
	if part.cleanedUp {
		return
	}
	part.cleanedUp, part.states = resp.groupCleaned, resp.states
	if !resp.groupCleaned {
		return
	}
	if l.inProgress--; l.inProgress > 0 {
		return
	}
	if t := c.tableByID(l.appID); t != nil {
		t.info.IsBulkLoading = new(false)
	}
	l.dropped, c.bulkLock = true, false
}

// setBulkPartition changes the state of a partition, and that of the load when it was the
// last one (update_partition_info_on_remote_storage).
func (c *Cluster) setBulkPartition(l *bulkLoad, i int, status idl.BulkLoadStatus) {
	part := &l.parts[i]
	old := part.status
	if old == status && status != idl.BulkLoadDownloading {
		return
	}
	part.status = status
	if old == idl.BulkLoadIngesting && status == idl.BulkLoadSucceed && part.states != nil {
		part.ingestedBy = slices.Collect(maps.Keys(part.states))
	}
	switch status {
	case idl.BulkLoadDownloaded, idl.BulkLoadIngesting, idl.BulkLoadSucceed, idl.BulkLoadPaused:
		if !l.rollingBack {
			if l.inProgress--; l.inProgress == 0 {
				c.setBulk(l, status, idl.ErrOK, false)
			}
		}
	case idl.BulkLoadDownloading:
		part.states, part.cleanedUp = nil, false
		if l.inProgress--; l.inProgress == 0 {
			l.inProgress, l.rollingBack = len(l.parts), false
		}
	}
}

// setBulk changes the state of a load (update_app_status_on_remote_storage). resend: the
// partitions are not being asked at present.
func (c *Cluster) setBulk(l *bulkLoad, status idl.BulkLoadStatus, code idl.ErrorCode, resend bool) {
	old := l.status
	if old == status && status != idl.BulkLoadDownloading {
		return
	}
	l.everIngesting = l.everIngesting || status == idl.BulkLoadIngesting
	l.status, l.err, l.inProgress = status, code, len(l.parts)
	if old == idl.BulkLoadIngesting && status == idl.BulkLoadDownloading {
		for i := range l.parts {
			l.parts[i].ingesting = nil
		}
	}
	switch status {
	case idl.BulkLoadIngesting:
		for i := range l.parts {
			c.bulkIngestion(l, i)
		}
	case idl.BulkLoadPausing, idl.BulkLoadDownloading, idl.BulkLoadCanceled, idl.BulkLoadFailed:
		for i := range l.parts {
			c.setBulkPartition(l, i, status)
			if resend {
				c.againBulk(l, i, 0)
			}
		}
	}
}

// bulkMaxRollbacks is bulk_load_max_rollback_times.
const flagMaxRollbacks = "bulk_load_max_rollback_times"

// rollBackBulk lets all partitions download again, a limited number of times.
func (c *Cluster) rollBackBulk(l *bulkLoad) {
	switch l.status {
	case idl.BulkLoadDownloading, idl.BulkLoadDownloaded, idl.BulkLoadIngesting:
	default:
		return
	}
	if l.rollingBack {
		return
	}
	if int64(l.rollbacks) >= c.leader.srv.flagInt(flagMaxRollbacks) {
		code := idl.ErrRetryExhausted
		if l.everIngesting {
			code = idl.ErrIngestionFailed
		}
		c.setBulk(l, idl.BulkLoadFailed, code, false)
		return
	}
	l.rollingBack = true
	l.rollbacks++
	c.setBulk(l, idl.BulkLoadDownloading, idl.ErrOK, false)
}

// failBulk ends a load (handle_bulk_load_failed).
func (c *Cluster) failBulk(l *bulkLoad, code idl.ErrorCode) {
	if !l.cleaningUp {
		l.cleaningUp = true
		c.setBulk(l, idl.BulkLoadFailed, code, false)
	}
}

// forgetBulkLoads is what a meta that stops leading does to its memory: what is not in
// ZooKeeper, the lock and the function level among it.
func (c *Cluster) forgetBulkLoads() {
	c.bulkLock = false
	for _, l := range c.bulkLoads {
		l.turn++
		l.rollbacks, l.rollingBack, l.cleaningUp = 0, false, false
		for i := range l.parts {
			l.parts[i].states, l.parts[i].cleanedUp, l.parts[i].ingesting = nil, false, nil
		}
	}
}

// continueBulkLoads lets a new leader go on with what it finds
// (try_to_continue_bulk_load).
func (c *Cluster) continueBulkLoads() {
	for _, id := range slices.Sorted(maps.Keys(c.bulkLoads)) {
		l := c.bulkLoads[id]
		if l.dropped {
			continue
		}
		if c.bulkTable(l) == nil {
			delete(c.bulkLoads, id)
			continue
		}
		c.bulkLock = true
		different := 0
		for i := range l.parts {
			if l.parts[i].status != l.status {
				different++
			}
		}
		l.inProgress = len(l.parts)
		switch l.status {
		case idl.BulkLoadDownloading:
			if different > 0 {
				l.inProgress, l.rollingBack = different, true
			}
		case idl.BulkLoadDownloaded, idl.BulkLoadIngesting:
			l.inProgress = len(l.parts) - different
		case idl.BulkLoadPausing, idl.BulkLoadFailed, idl.BulkLoadCanceled:
			if l.status == idl.BulkLoadPausing {
				l.inProgress = len(l.parts) - different
			}
		}
		c.continueParts(l)
	}
}

func (c *Cluster) continueParts(l *bulkLoad) {
	for i := range l.parts {
		differs := l.parts[i].status != l.status
		switch l.status {
		case idl.BulkLoadPaused:
			continue
		case idl.BulkLoadDownloading, idl.BulkLoadFailed, idl.BulkLoadCanceled:
			if differs {
				c.setBulkPartition(l, i, l.status)
			}
		case idl.BulkLoadIngesting:
			if !differs {
				c.bulkIngestion(l, i)
			}
		}
		c.againBulk(l, i, 0)
	}
}

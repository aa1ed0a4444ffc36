package sandbox

import (
	"bytes"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// scanDone is the context id that ends a scan (SCAN_CONTEXT_ID_COMPLETED); no other
// value does, negative or not.
const scanDone = -1

// getScanner opens a scan and answers with its first rows.
func getScanner(r *replica, q *request, m *idl.GetScannerRequest, out []byte) []byte {
	if !filterKnown(m.HashKeyFilterType) || !filterKnown(m.SortKeyFilterType) {
		return q.reply(out, r.scanReply(idl.StatusInvalidArgument, 0))
	}
	kr := keyRange{start: m.StartKey, startInclusive: m.StartInclusive, stop: bytes.Clone(m.StopKey), stopInclusive: m.StopInclusive}
	if m.HashKeyFilterType == idl.FilterPrefix && len(m.HashKeyFilterPattern) > 0 {
		// Hash keys are ordered by length first, so a prefix bounds the start only.
		if start := pegkey.Encode(nil, m.HashKeyFilterPattern, nil); bytes.Compare(start, kr.start) > 0 {
			kr.start, kr.startInclusive = start, true
		}
	}
	if kr.empty() {
		// on_get_scanner returns before it sets the context id here, so it is 0: a range
		// without rows, which gives -1, is another case.
		return q.reply(out, r.scanReply(idl.StatusOK, 0))
	}
	sc := r.newScan(m, kr)
	return r.continueScan(q, sc, maxIterations, out)
}

// newScan takes a snapshot and moves to the first row of the range.
func (r *replica) newScan(m *idl.GetScannerRequest, kr keyRange) *scanContext {
	sc := &scanContext{
		it:          r.part.store.iter(),
		kr:          kr,
		hashFilter:  m.HashKeyFilterType,
		sortFilter:  m.SortKeyFilterType,
		hashPattern: bytes.Clone(m.HashKeyFilterPattern),
		sortPattern: bytes.Clone(m.SortKeyFilterPattern),
		batch:       maxIterations,
		noValue:     m.NoValue,
		expireTs:    isTrue(m.ReturnExpireTs),
		countOnly:   isTrue(m.OnlyReturnCount) && r.node.c.release >= release25,
		validate:    m.ValidatePartitionHash == nil || *m.ValidatePartitionHash,
	}
	if m.BatchSize > 0 {
		sc.batch = min(sc.batch, int(m.BatchSize))
	}
	sc.valid = sc.it.Seek(lookupRow(kr.start))
	if sc.valid && kr.excluded(sc.it.Item().key()) && !kr.behind(sc.it.Item().key(), false) {
		sc.valid = sc.it.Next()
	}
	sc.kr.start = nil // lies in the request's buffer and is not needed any more
	return sc
}

// scan goes on with an open scan.
func scan(r *replica, q *request, m *idl.ScanRequest, out []byte) []byte {
	sc := r.scans.take(m.ContextID, r.now(), r.node.c.timing.ScanContext)
	if sc == nil {
		return q.reply(out, r.scanReply(idl.StatusNotFound, 0))
	}
	return r.continueScan(q, sc, sc.batch, out)
}

// clearScanner drops an open scan. It is one-way.
func clearScanner(r *replica, _ *request, m *idl.ClearScannerRequest, out []byte) []byte {
	r.scans.take(m.ContextID, r.now(), r.node.c.timing.ScanContext)
	return out
}

// continueScan answers with the next rows and keeps the context if more may follow.
// The rows go straight from the snapshot into the reply.
func (r *replica) continueScan(q *request, sc *scanContext, iterations int, out []byte) []byte {
	now := r.now()
	limit := &scanLimit{
		iterations: iterations, started: now, duration: r.env.iteration, clock: r.node.c.cfg.Clock,
		now: r.nowTs(), forced: q.forced == idl.StatusIncomplete,
	}
	sc.check = nil
	if sc.validate && r.env.validateHash {
		sc.check = r.part
	}
	w := newScanWriter(out, q)
	b := sc.fill(limit, func(found row) { w.add(found, sc.noValue, sc.expireTs) })
	r.env.readSize.consume(b.bytes)
	q.rows = b.count
	resp := r.scanReply(idl.StatusOK, scanDone)
	if sc.countOnly {
		resp.KvCount = new(int32(b.count))
	}
	switch {
	case b.incomplete:
		// The rows so far are in the reply, but the scan is lost and the id stays 0.
		resp.Error, resp.ContextID = idl.StatusIncomplete, 0
	case !b.complete:
		resp.ContextID = r.scans.put(sc, now)
	}
	return w.finish(resp)
}

func (r *replica) scanReply(status idl.Status, contextID int64) *idl.ScanResponse {
	return &idl.ScanResponse{
		Error: status, ContextID: contextID,
		AppID: r.gpid.AppID, PartitionIndex: r.gpid.Partition, Server: r.node.srv.addr,
	}
}

func isTrue(b *bool) bool { return b != nil && *b }

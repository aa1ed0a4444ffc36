package sandbox

import (
	"strconv"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// ship takes the next mutations from the log and sends them; it comes back when they
// have arrived. It must be called without any lock.
func (d *duplicator) ship(life int) {
	if b, ok := d.next(life); ok {
		d.send(life, b)
	}
}

// next is the next batch that has anything to send. When there is none, ship will be
// called again in time.
func (d *duplicator) next(life int) (dupBatch, bool) {
	p, c := d.r.part, d.r.node.c
	p.mu.Lock()
	defer p.mu.Unlock()
	again := func(after time.Duration) { c.afterLocked(after, func() { d.ship(life) }) }
	for d.alive(life) {
		switch {
		case d.confirmed == noDecree: // the first sync is not complete
			again(c.timing.DupRetry)
			return dupBatch{}, false
		case c.faults.stalled(d.r.gpid):
			again(c.timing.DupIdle)
			return dupBatch{}, false
		case p.commitOnDisk() <= d.last:
			p.log.waiting = append(p.log.waiting, func() { again(c.timing.DupIdle) })
			return dupBatch{}, false
		}
		b := d.load()
		if len(b.requests) > 0 {
			return b, true
		}
		d.last = b.last
	}
	return dupBatch{}, false
}

// alive tells whether the shipping that was started as number life goes on.
func (d *duplicator) alive(life int) bool {
	return d.running && d.life == life && d.r.part.log != nil && d.r.node.srv.up()
}

// dupBatch is what is read from the log at a time: requests that are sent one after the
// other, and the decree that is reached by it.
type dupBatch struct {
	last      int64
	mutations int64
	requests  []dupRequest
}

// dupRequest is one DUPLICATE request with the partition hash of its last entry, by
// which it is sent.
type dupRequest struct {
	hash    uint64
	entries []idl.DuplicateEntry
}

// flagBatchBytes is how much of the log is read, and sent, at a time.
const (
	flagBatchBytes    = "duplicate_log_batch_bytes"
	defaultBatchBytes = 4096
)

// load reads from the log until the batch is full (load_from_private_log). part.mu must
// be held.
func (d *duplicator) load() dupBatch {
	limit := d.r.node.srv.batchBytes()
	entries, first := d.r.part.log.from(d.last+1, d.r.part.commitOnDisk())
	b := dupBatch{last: d.r.part.commitOnDisk()}
	size, used := 0, len(entries)
	for i, m := range entries {
		for _, u := range m.updates {
			size += len(u.raw)
		}
		if size >= limit {
			used, b.last = i+1, first+int64(i)
			break
		}
	}
	b.mutations = int64(used)
	b.requests = d.requests(entries[:used], limit)
	return b
}

// requests groups updates into requests of at least limit bytes
// (pegasus_mutation_duplicator::duplicate). What came from another cluster is left out;
// when such an update is the very last one, what was gathered before it is lost: all
// releases only send at an update that they do not leave out.
func (d *duplicator) requests(entries []mutation, limit int) []dupRequest {
	own := int8(d.r.node.srv.peers.get().ids[d.r.node.c.cfg.Name])
	left := 0
	for _, m := range entries {
		left += len(m.updates)
	}
	var list []dupRequest
	var open dupRequest
	size := 0
	for _, m := range entries {
		for _, u := range m.updates {
			left--
			if u.rpc == idl.NameDuplicate {
				continue
			}
			open.entries = append(open.entries, idl.DuplicateEntry{
				Timestamp: new(m.timestampUs), TaskCode: new(idl.ErrorCode(u.rpc)), RawMessage: u.raw, ClusterID: new(own),
			})
			size += len(u.raw)
			if left == 0 || size >= limit {
				open.hash = updateHash(u)
				list = append(list, open)
				open, size = dupRequest{}, 0
			}
		}
	}
	d.lost += int64(len(open.entries))
	return list
}

// updateHash is the partition hash of a logged update.
func updateHash(u loggedUpdate) uint64 {
	var dec idl.Decoder
	req := idl.Request{Args: u.raw}
	switch u.rpc {
	case idl.NamePut:
		var m idl.UpdateRequest
		if req.DecodeArgs(&dec, &m) == nil {
			return pegkey.HashRaw(m.Key)
		}
	case idl.NameRemove:
		var m idl.BlobRequest
		if req.DecodeArgs(&dec, &m) == nil {
			return pegkey.HashRaw(m.Key)
		}
	case idl.NameMultiPut:
		var m idl.MultiPutRequest
		if req.DecodeArgs(&dec, &m) == nil {
			return pegkey.Hash(m.HashKey, nil)
		}
	case idl.NameMultiRemove:
		var m idl.MultiRemoveRequest
		if req.DecodeArgs(&dec, &m) == nil {
			return pegkey.Hash(m.HashKey, nil)
		}
	}
	return 0
}

// send sends the requests of a batch one after the other and then goes on with the next
// batch.
func (d *duplicator) send(life int, b dupBatch) {
	p, c := d.r.part, d.r.node.c
	p.mu.Lock()
	alive, route := d.alive(life), d.route
	if alive && len(b.requests) == 0 {
		d.last = max(d.last, b.last)
	}
	p.mu.Unlock()
	switch {
	case !alive:
	case len(b.requests) == 0 && c.cfg.ShipRate > 0:
		pause := time.Duration(float64(b.mutations) / c.cfg.ShipRate * float64(time.Second))
		c.after(pause, func() { d.ship(life) })
	case len(b.requests) == 0:
		d.ship(life)
	case route == nil:
		d.findRoute(life, b)
	default:
		d.sendOne(life, b, route)
	}
}

// sendOne sends the first request of a batch to the primary that its hash selects.
func (d *duplicator) sendOne(life int, b dupBatch, route *dupRoute) {
	index := pegkey.Partition(b.requests[0].hash, int32(len(route.primaries)))
	gpid := idl.Gpid{AppID: route.appID, Partition: index}
	addr := route.primaries[index]
	if addr.IsZero() {
		d.retry(life, b)
		return
	}
	srv := d.r.node.srv
	h := idl.RequestHeader{Gpid: gpid, ThreadHash: gpid.ThreadHash(), PartitionHash: b.requests[0].hash}
	req := &idl.DuplicateRequest{Entries: b.requests[0].entries}
	srv.out.call(addr.String(), h, idl.NameDuplicate, req, srv.c.timing.DupTimeout, func(head idl.ResponseHead, err error) {
		var resp idl.DuplicateResponse
		if err == nil {
			var dec idl.Decoder
			err = head.DecodeResult(&dec, &resp)
		}
		status := idl.StatusOK
		if resp.Error != nil {
			status = *resp.Error
		}
		switch {
		case err == nil && status == idl.StatusInvalidArgument:
			d.fatal(life)
		case err != nil || status != idl.StatusOK:
			d.retry(life, b)
		default:
			d.shipped(life)
			b.requests = b.requests[1:]
			d.send(life, b)
		}
	})
}

// shipped counts a request that arrived.
func (d *duplicator) shipped(life int) {
	d.r.part.mu.Lock()
	defer d.r.part.mu.Unlock()
	if d.alive(life) {
		d.r.shippedOps++
	}
}

// fatal is what a refusal as invalid does: the server of the source dies
// (on_duplicate_reply, CHECK_NE(perr, PERR_INVALID_ARGUMENT)).
func (d *duplicator) fatal(life int) {
	d.r.part.mu.Lock()
	alive := d.alive(life)
	d.r.part.mu.Unlock()
	if alive {
		d.r.node.srv.dies()()
	}
}

// retry sends a batch again after a while, to where the target's metas say then.
func (d *duplicator) retry(life int, b dupBatch) {
	p, c := d.r.part, d.r.node.c
	p.mu.Lock()
	defer p.mu.Unlock()
	if !d.alive(life) {
		return
	}
	d.r.failedShips++
	d.route = nil
	c.afterLocked(c.timing.DupRetry, func() { d.send(life, b) })
}

// findRoute asks the target's metas, by this server's own configuration, where the
// table is.
func (d *duplicator) findRoute(life int, b dupBatch) {
	srv := d.r.node.srv
	metas := srv.peers.get().metas[d.remote]
	name := d.r.table
	if srv.c.release >= release26 {
		name = d.table
	}
	req := &idl.QueryConfigRequest{AppName: name}
	srv.out.askMetas(metas, idl.NameQueryConfig, req,
		func() idl.Message { return &idl.QueryConfigResponse{} },
		func(m idl.Message) idl.ErrorCode { return m.(*idl.QueryConfigResponse).Err },
		func(m idl.Message, err error) {
			resp, ok := m.(*idl.QueryConfigResponse)
			if err != nil || !ok || !resp.Err.OK() || len(resp.Partitions) == 0 {
				d.retry(life, b)
				return
			}
			route := &dupRoute{appID: resp.AppID, primaries: make([]idl.Addr, len(resp.Partitions))}
			for i, p := range resp.Partitions {
				route.primaries[i] = p.Primary
			}
			d.r.part.mu.Lock()
			if d.alive(life) {
				d.route = route
			}
			d.r.part.mu.Unlock()
			d.send(life, b)
		})
}

// batchBytes is the flag duplicate_log_batch_bytes of a server.
func (s *server) batchBytes() int {
	value, ok := s.settings.get(flagBatchBytes)
	if n, err := strconv.ParseUint(value, 10, 32); ok && err == nil {
		return int(n)
	}
	return defaultBatchBytes
}

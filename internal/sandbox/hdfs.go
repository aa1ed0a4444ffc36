package sandbox

import (
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// HDFSNameNode is the name node of every section of type hdfs_service. Nothing listens there: what such a
// provider holds is a folder of this machine, see Config.HDFSServices.
const HDFSNameNode = "sandbox-hdfs:8020"

// Flags that limit what one replica server moves, in MB per second (hdfs_service.cpp; nfs_server_impl.cpp, where it
// is per disk, of which a sandbox has one for each server, and 0 means no limit).
const (
	flagHDFSWrite = "hdfs_write_limit_rate_mb_per_sec"
	flagHDFSRead  = "hdfs_read_limit_rate_mb_per_sec"
)

// providerSection is what [block_service.NAME] says.
type providerSection struct{ kind, args string }

// providers are the sections of all block services by name.
func (c *Cluster) providers() map[string]providerSection {
	out := map[string]providerSection{}
	for name, dir := range c.cfg.BlockServices {
		out[name] = providerSection{"local_service", dir}
	}
	for name, dir := range c.cfg.HDFSServices {
		out[name] = providerSection{"hdfs_service", HDFSNameNode + " " + dir}
	}
	return out
}

// queued is what transfers of one server under one limit wait for. Its zero value is empty.
type queued struct {
	mu   sync.Mutex
	free time.Time // when what was taken before has passed
}

// take is how long so many bytes have to wait behind those before them, at a rate in MB per second as servers
// count it: in 32 bits. It is not scaled, as rates are what users declare. At a rate of 0 nothing ever moves.
func (b *queued) take(now time.Time, bytes, rate int64) time.Duration {
	perSecond := int64(uint32(rate << 20))
	if perSecond == 0 {
		return forever
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.free.Before(now) {
		b.free = now
	}
	b.free = b.free.Add(time.Duration(float64(bytes) / float64(perSecond) * float64(time.Second)))
	return b.free.Sub(now)
}

// forever is longer than any sandbox runs.
const forever = 1000 * time.Hour

// transfers are the limits of one server.
type transfers struct{ write, read, send queued }

// writeTime and readTime are what the limits of HDFS add to a file that a server moves to, or from, a provider.
func (n *replicaNode) writeTime(fs *blockService, bytes int64) time.Duration {
	if !fs.hdfs {
		return 0
	}
	return n.moves.write.take(n.c.now(), bytes, n.srv.flagInt(flagHDFSWrite))
}

func (n *replicaNode) readTime(fs *blockService, bytes int64) time.Duration {
	if !fs.hdfs {
		return 0
	}
	return n.moves.read.take(n.c.now(), bytes, n.srv.flagInt(flagHDFSRead))
}

// sendTime is what the limit of NFS adds to a checkpoint that another server fetches from this one.
func (n *replicaNode) sendTime(bytes int64) time.Duration {
	rate := n.srv.flagInt(flagNFSSendRate)
	if rate == 0 {
		return 0
	}
	return n.moves.send.take(n.c.now(), bytes, rate)
}

// holdPoll is how often a transfer that is held looks whether it still is.
const holdPoll = 5 * time.Millisecond

// held tells whether a fault keeps the files of a partition from being moved.
func (c *Cluster) held(gpid idl.Gpid) bool {
	_, hit := c.faults.take(FaultHoldTransfer, gpid)
	return hit
}

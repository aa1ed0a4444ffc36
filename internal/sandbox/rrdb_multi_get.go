package sandbox

import (
	"bytes"
	"math"
	"slices"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// Limits of one multi_get: rocksdb_multi_get_max_iteration_count and _size.
const (
	multiGetIterations = 3000
	multiGetBytes      = 30 << 20
)

// multiGet reads rows of one hash key, by sort key or by range. A limit that cuts
// the answer short gives status Incomplete with what fitted.
func multiGet(r *replica, q *request, m *idl.MultiGetRequest, out []byte) []byte {
	g := &multiGetter{r: r, m: m, now: r.nowTs(), maxCount: multiGetIterations, maxSize: math.MaxInt32}
	g.resp = &idl.MultiGetResponse{AppID: r.gpid.AppID, PartitionIndex: r.gpid.Partition, Server: r.node.srv.addr}
	if m.MaxKvCount > 0 {
		g.maxCount = min(g.maxCount, int(m.MaxKvCount))
	}
	if m.MaxKvSize > 0 {
		g.maxSize = int(m.MaxKvSize)
	}
	switch {
	case !filterKnown(m.SortKeyFilterType):
		g.resp.Error = idl.StatusInvalidArgument
	case len(m.SortKeys) > 0:
		g.byKeys()
	default:
		g.byRange()
	}
	if q.forced == idl.StatusIncomplete {
		g.resp.Error = idl.StatusIncomplete
	}
	r.env.readSize.consume(g.size)
	q.rows = len(g.resp.Kvs)
	return q.reply(out, g.resp)
}

// multiGetter is one multi_get under way.
type multiGetter struct {
	r                 *replica
	m                 *idl.MultiGetRequest
	resp              *idl.MultiGetResponse
	now               uint32
	maxCount, maxSize int
	size              int // of the answer in bytes
}

func (g *multiGetter) add(sortKey, value []byte) {
	kv := idl.KeyValue{Key: sortKey}
	if !g.m.NoValue {
		kv.Value = value
	}
	g.size += len(kv.Key) + len(kv.Value)
	g.resp.Kvs = append(g.resp.Kvs, kv)
}

func (g *multiGetter) byKeys() {
	for _, sortKey := range g.m.SortKeys {
		found, ok := g.r.live(pegkey.Encode(nil, g.m.HashKey, sortKey))
		if !ok {
			continue
		}
		if len(g.resp.Kvs) >= g.maxCount || g.size >= g.maxSize {
			g.resp.Error = idl.StatusIncomplete
			return
		}
		g.add(sortKey, found.value())
	}
}

// bounds is the range of raw keys that the request asks for.
func (g *multiGetter) bounds() keyRange {
	m := g.m
	kr := keyRange{
		start: pegkey.Encode(nil, m.HashKey, m.StartSortkey), startInclusive: m.StartInclusive,
		stop: nextKey(m.HashKey, nil),
	}
	if len(m.StopSortkey) > 0 {
		kr.stop, kr.stopInclusive = pegkey.Encode(nil, m.HashKey, m.StopSortkey), m.StopInclusive
	}
	if m.SortKeyFilterType == idl.FilterPrefix && len(m.SortKeyFilterPattern) > 0 {
		if start := pegkey.Encode(nil, m.HashKey, m.SortKeyFilterPattern); bytes.Compare(start, kr.start) > 0 {
			kr.start, kr.startInclusive = start, true
		}
		if stop := nextKey(m.HashKey, m.SortKeyFilterPattern); bytes.Compare(stop, kr.stop) <= 0 {
			kr.stop, kr.stopInclusive = stop, false
		}
	}
	return kr
}

func (g *multiGetter) byRange() {
	kr := g.bounds()
	if kr.empty() {
		return
	}
	iterations, complete := 0, true
	hashPrefix := pegkey.Encode(nil, g.m.HashKey, nil)
	visit := func(found row) bool {
		switch {
		case len(g.resp.Kvs) >= g.maxCount || iterations >= multiGetIterations || g.size >= min(g.maxSize, multiGetBytes):
			// Walking up, RocksDB's iterator ends with the hash key (prefix_same_as_start);
			// within it the range is not looked at any more.
			complete = !g.m.Reverse && !bytes.HasPrefix(found.key(), hashPrefix)
			return false
		case kr.behind(found.key(), g.m.Reverse):
			return false
		case kr.excluded(found.key()):
			return true
		}
		iterations++
		_, sortKey := splitKey(found.key())
		if !expired(found.expire(), g.now) && filterMatches(g.m.SortKeyFilterType, g.m.SortKeyFilterPattern, sortKey) {
			g.add(sortKey, found.value())
		}
		return !bytes.Equal(found.key(), kr.far(g.m.Reverse))
	}
	if g.m.Reverse {
		g.r.part.store.tree.Descend(lookupRow(kr.stop), visit)
		slices.Reverse(g.resp.Kvs)
	} else {
		g.r.part.store.ascend(lookupRow(kr.start), visit)
	}
	if !complete {
		g.resp.Error = idl.StatusIncomplete
	}
}

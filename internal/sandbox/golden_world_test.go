package sandbox

import (
	"maps"
	"math"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// Times at which scenarios were recorded, in Unix seconds. Those of data and admin
// are known from expiries and from the trigger time that the server chose.
const (
	metaAt   = 1795222993
	dataAt   = 1795224090.9
	scanAt   = 1795224096
	remoteAt = 1795224106.2
	adminAt  = 1795224114.5
	httpAt   = 1795224120
	startAt  = 1795222619 // of the recorded meta server
)

// Ports of the recorded servers, by role.
const (
	recordedMeta     = 34601
	recordedReplicas = 34801 // and the two behind it
)

// world is a sandbox in the state in which the recorded cluster was.
type world struct {
	t     *testing.T
	c     *Cluster
	clock *ManualClock
	// answer is the last one of a request that changed a table.
	answer idl.ResponseHead
	conns  map[string]*client
	// contexts are the ids of scan contexts here by their recorded ids.
	contexts map[int64]int64
}

func unixTime(seconds float64) time.Time {
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9))
}

// newWorld starts a cluster with the recorded one's size and settings, whose clock
// only moves with the recording. Its times are those of real clusters.
func newWorld(t *testing.T) *world {
	t.Helper()
	clock := NewManualClock(unixTime(startAt))
	c := start(t, Config{
		Name: "onebox1", TimeFactor: 1, Clock: clock, Seed: 7,
		RemoteClusters: []string{"onebox2"}, ClusterMetas: map[string][]string{"onebox2": {"127.0.0.1:35601"}}, ZooKeeper: "127.0.0.1:22181",
	})
	c.mu.Lock()
	c.level = idl.MetaSteady
	c.mu.Unlock()
	// Times of tables are compared with recorded ones, so that the clock must hardly move.
	c.timing.TableState = time.Millisecond
	return &world{t: t, c: c, clock: clock, conns: map[string]*client{}, contexts: map[int64]int64{}}
}

// at moves the clock to a time, unless it is there or beyond.
func (w *world) at(seconds float64) {
	if d := unixTime(seconds).Sub(w.clock.Now()); d > 0 {
		w.clock.Advance(d)
	}
}

// srv is the server that stands for a recorded port.
func (w *world) srv(port int) *server {
	switch i := port - recordedReplicas; {
	case port == recordedMeta:
		return w.c.metas[0].srv
	case i >= 0 && i < len(w.c.nodes):
		return w.c.nodes[i].srv
	}
	w.t.Fatalf("no server for port %d", port)
	return nil
}

// node is the replica server that stands for a recorded address.
func (w *world) node(a idl.Addr) *replicaNode { return w.srv(int(uint64(a) >> 16 & 0xffff)).node }

// conn is the connection that stands for a recorded one.
func (w *world) conn(r recordedLine) *client {
	id := r.Conn
	if w.conns[id] == nil {
		w.conns[id] = dial(w.t, w.srv(r.Server).addr)
	}
	return w.conns[id]
}

// addTable makes a table as recorded, without replicas.
func (w *world) addTable(info idl.AppInfo, envs map[string]string) *table {
	w.c.lastID = info.AppID - 1
	t := w.c.addTable(info.AppName, &idl.CreateAppOptions{
		PartitionCount: info.PartitionCount, ReplicaCount: info.MaxReplicaCount,
		AppType: info.AppType, IsStateful: info.IsStateful,
	})
	t.info = info
	t.info.Envs = nil
	t.setEnvs(maps.Clone(envs))
	if t.envs == nil {
		t.envs = map[string]string{}
	}
	return t
}

// place gives a partition its replicas.
func (w *world) place(p *partitionState, ballot int64, primary *replicaNode, secondaries ...*replicaNode) {
	p.primary, p.secondaries, p.ballot = primary, secondaries, ballot
	primary.open(p)
	for _, s := range secondaries {
		s.open(p)
	}
	w.c.apply(p)
}

// others are the servers that are not n, the next one first.
func (w *world) others(n *replicaNode) []*replicaNode {
	count := len(w.c.nodes)
	return []*replicaNode{w.c.nodes[(n.index+1)%count], w.c.nodes[(n.index+2)%count]}
}

// fillMeta brings the cluster into the state in which scenario meta began: nine
// tables, spread as evenly as the recorded standard deviation says.
func (w *world) fillMeta() {
	apps := recordedAs[*idl.ListAppsResponse](w.t, "meta", idl.NameListApps)
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	count := 0
	for _, info := range apps.Infos {
		for _, p := range w.addTable(info, info.Envs).partitions {
			n := w.c.nodes[count%len(w.c.nodes)]
			w.place(p, 3, n, w.others(n)...)
			count++
		}
	}
}

// fillLater brings the cluster into the state in which scenarios data, scan, remote,
// admin and http were recorded one after the other: twelve tables, of which "golden"
// is empty and new.
func (w *world) fillLater() {
	t := w.t
	early := map[int32]map[string]string{12: {"business.info": "recorded: one env, not which"}}
	for _, info := range recordedAs[*idl.ListAppsResponse](t, "meta", idl.NameListApps).Infos {
		early[info.AppID] = info.Envs
	}
	apps := map[int32]idl.AppInfo{}
	for _, info := range recordedAs[*idl.QueryAppInfoResponse](t, "admin", idl.NameQueryAppInfo).Apps {
		apps[info.AppID] = info
	}
	golden := recordedAs[*idl.QueryConfigResponse](t, "data", idl.NameQueryConfig)
	first := map[idl.Gpid]idl.ReplicaInfo{} // replicas on the first server
	for _, r := range recordedAs[*idl.QueryReplicaInfoResponse](t, "admin", idl.NameQueryReplicaInfo).Replicas {
		first[r.Pid] = r
	}
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	elsewhere := 1 // the second server has one primary of golden more than the third
	for id := int32(1); id <= golden.AppID; id++ {
		info, ok := apps[id]
		if !ok {
			continue // dropped, and its id not used again
		}
		for _, p := range w.addTable(info, early[id]).partitions {
			if id == golden.AppID {
				pc := golden.Partitions[p.index]
				w.place(p, pc.Ballot, w.node(pc.Primary), w.node(pc.Secondaries[0]), w.node(pc.Secondaries[1]))
				continue
			}
			n := w.c.nodes[0]
			if first[p.gpid()].Status != idl.ReplicaPrimary {
				n = w.c.nodes[1+elsewhere%2]
				elsewhere++
			}
			w.place(p, first[p.gpid()].Ballot, n, w.others(n)...)
		}
	}
}

package sandbox

import (
	"errors"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// config asks the meta's state for a partition.
func config(c *Cluster, table string, i int) idl.PartitionConfig {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.findTable(table).partitions[i].config()
}

func TestNodeDeathAndReturn(t *testing.T) {
	c, clock, tc := manual(t)
	tc.put("k", "s", "v", 0)
	victim := 0
	for i, addr := range c.ReplicaServers() {
		if addr == c.Primary("t", 0) {
			victim = i
		}
	}
	before := config(c, "t", 0)
	if err := c.KillReplica(victim); err != nil {
		t.Fatal(err)
	}
	clock.Advance(c.Timing().NodeGrace - time.Second)
	if got := config(c, "t", 0); got.Ballot != before.Ballot {
		t.Errorf("the meta noticed early: %+v", got)
	}
	clock.Advance(3 * time.Second)
	after := config(c, "t", 0)
	if after.Primary.IsZero() || after.Primary == before.Primary || after.Ballot < before.Ballot+2 || len(after.Secondaries) != 1 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	list := &idl.ListNodesResponse{}
	meta(t, c).call(idl.RequestHeader{}, idl.NameListNodes, &idl.ListNodesRequest{Status: idl.NodeUnalive}, list)
	if len(list.Infos) != 1 || list.Infos[0].Node.String() != c.ReplicaServers()[victim] {
		t.Errorf("dead servers: %+v", list.Infos)
	}
	if v, _ := tc.get("k", "s"); v != "v" {
		t.Error("an acknowledged row is lost")
	}
	if _, err := c.CreateTable(TableSpec{Name: "u", Replicas: 3}); !errors.Is(err, idl.ErrInvalidParameters) {
		t.Errorf("three replicas on two servers: %v", err)
	}
	if err := c.RestartReplica(victim); err != nil {
		t.Fatal(err)
	}
	clock.Advance(5 * c.Timing().Learn)
	if got := config(c, "t", 0); len(got.Secondaries) != 2 {
		t.Errorf("after its return: %+v", got)
	}
}

func TestTooFewServersFreezeTheMeta(t *testing.T) {
	c, clock, _ := manual(t)
	for i := range 2 {
		if err := c.KillReplica(i); err != nil {
			t.Fatal(err)
		}
	}
	clock.Advance(c.Timing().NodeGrace + time.Second)
	if _, err := c.CreateTable(TableSpec{Name: "u", Replicas: 1}); !errors.Is(err, idl.ErrStateFreezed) {
		t.Errorf("create with one of three servers: %v", err)
	}
}

func TestWritesNeedEnoughReplicas(t *testing.T) {
	c, clock, tc := manual(t)
	c.mu.Lock()
	p := c.tables[0].partitions[0]
	for len(p.secondaries) > 0 {
		c.dropReplica(p, p.secondaries[0])
	}
	p.cureAt = clock.Now().Add(time.Hour)
	c.apply(p)
	c.mu.Unlock()
	clock.Advance(c.Timing().Inactive)
	codes := tc.probe()
	if codes[0] != idl.ErrNotEnoughMember || codes[1] != idl.ErrOK {
		t.Errorf("%v", codes)
	}
}

func TestMoveBumpsBallotAndLeavesAGap(t *testing.T) {
	c, clock, _ := manual(t)
	before := config(c, "t", 1)
	if err := c.MovePrimary("t", 1); err != nil {
		t.Fatal(err)
	}
	if gap := config(c, "t", 1); !gap.Primary.IsZero() || gap.Ballot != before.Ballot+1 {
		t.Errorf("in between: %+v", gap)
	}
	if err := c.MovePrimary("t", 1); !errors.Is(err, errNoPrimary) {
		t.Errorf("second move at once: %v", err)
	}
	clock.Advance(c.Timing().MoveGap + c.Timing().Inactive)
	if after := config(c, "t", 1); after.Primary == before.Primary || after.Ballot != before.Ballot+2 || len(after.Secondaries) != 2 {
		t.Errorf("after: %+v", after)
	}
}

func TestEmptyWritesAndDecrees(t *testing.T) {
	c, clock, tc := manual(t)
	info := func() idl.ReplicaInfo {
		resp := &idl.QueryReplicaInfoResponse{}
		tc.at(0).call(idl.RequestHeader{}, idl.NameQueryReplicaInfo, &idl.QueryReplicaInfoRequest{}, resp)
		for _, r := range resp.Replicas {
			if r.Pid.Partition == 0 {
				return r
			}
		}
		t.Fatal("the primary does not list its replica")
		return idl.ReplicaInfo{}
	}
	first := info()
	if first.Status != idl.ReplicaPrimary || first.LastCommittedDecree != first.LastPreparedDecree || first.LastCommittedDecree == 0 {
		t.Errorf("%+v", first)
	}
	clock.Advance(2 * c.Timing().GroupCheck)
	if later := info(); later.LastCommittedDecree <= first.LastCommittedDecree || later.LastCommittedDecree > first.LastCommittedDecree+2 {
		t.Errorf("decree %d, two group checks before it was %d", later.LastCommittedDecree, first.LastCommittedDecree)
	}
	// The empty write is a row with an empty key, which clients do not see.
	if got := keysOf(tc.getScanner(0, fullScan(10))); got != "[]" {
		t.Errorf("scan: %s", got)
	}
	if c.tables[0].partitions[0].data.store.len() != 1 {
		t.Error("the empty-key row is not stored")
	}
}

func TestCreateTimeEnvsThatCrash(t *testing.T) {
	for name, env := range map[string]string{"ttl": envDefaultTTL, "compaction": envCompactTrigger} {
		t.Run(name, func(t *testing.T) {
			c := start(t, fast())
			if _, err := c.CreateTable(TableSpec{Name: "t", Envs: map[string]string{env: "1000"}}); err != nil {
				t.Fatal(err)
			}
			allDead := func() bool { return !c.ReplicaUp(0) && !c.ReplicaUp(1) && !c.ReplicaUp(2) }
			until(t, "all replica servers crash", allDead)
			for i := range c.nodes {
				if err := c.RestartReplica(i); err != nil {
					t.Fatal(err)
				}
			}
			until(t, "they crash again", allDead)
			if err := c.DropTable("t"); err != nil {
				t.Fatal(err)
			}
			for i := range c.nodes {
				if err := c.RestartReplica(i); err != nil {
					t.Fatal(err)
				}
			}
			until(t, "the servers are back", func() bool {
				_, err := c.CreateTable(TableSpec{Name: "u"})
				return err == nil
			})
			healthy(t, c, "u")
		})
	}
}

func TestDefaultTTLAfterCreationIsSafe(t *testing.T) {
	c := start(t, fast())
	newTable(t, c, TableSpec{Name: "t"})
	if err := c.SetEnvs("t", map[string]string{envDefaultTTL: "1000"}); err != nil {
		t.Fatal(err)
	}
	c.SyncEnvs()
	for i := range c.nodes {
		if err := c.KillReplica(i); err != nil {
			t.Fatal(err)
		}
		if err := c.RestartReplica(i); err != nil {
			t.Fatal(err)
		}
		if !c.ReplicaUp(i) {
			t.Error("a server crashed")
		}
	}
	healthy(t, c, "t")
}

// TestIngestWithoutLoad: a primary takes no files that nothing told it to fetch.
func TestIngestWithoutLoad(t *testing.T) {
	c := start(t, fast())
	tc := open(t, c, TableSpec{Name: "t"})
	if got := tc.at(0).try(tc.header(0, 0), idl.NameIngest, &idl.IngestionRequest{}, nil); got != idl.ErrInvalidState {
		t.Errorf("%s", string(got))
	}
}

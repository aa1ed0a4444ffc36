package sandbox

import (
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// infoOf is what the server at addr tells about a partition.
func (tc *tableClient) infoOf(addr string, partition int32) idl.ReplicaInfo {
	tc.t.Helper()
	resp := &idl.QueryReplicaInfoResponse{}
	dial(tc.t, addr).call(idl.RequestHeader{}, idl.NameQueryReplicaInfo, &idl.QueryReplicaInfoRequest{}, resp)
	for _, r := range resp.Replicas {
		if r.Pid.Partition == partition {
			return r
		}
	}
	tc.t.Fatalf("%s has no replica of partition %d", addr, partition)
	return idl.ReplicaInfo{}
}

func TestPromotedPrimaryIsInactiveFirst(t *testing.T) {
	c, clock, tc := manual(t)
	if err := c.MovePrimary("t", 0); err != nil {
		t.Fatal(err)
	}
	clock.Advance(c.Timing().MoveGap)
	listed := config(c, "t", 0)
	if listed.Primary.IsZero() {
		t.Fatal("the meta lists no primary after the move")
	}
	tc.expectInactive(listed)
	clock.Advance(c.Timing().Inactive)
	if got := tc.infoOf(listed.Primary.String(), 0); got.Status != idl.ReplicaPrimary || got.Ballot != listed.Ballot {
		t.Errorf("after the phase: %+v, the meta lists ballot %d", got, listed.Ballot)
	}
	if got := tc.probe()[0]; got != idl.ErrOK {
		t.Errorf("after the phase: %s", string(got))
	}
}

// expectInactive checks that partition 0 serves nothing although the meta lists it.
func (tc *tableClient) expectInactive(listed idl.PartitionConfig) {
	tc.t.Helper()
	if got := tc.infoOf(listed.Primary.String(), 0); got.Status == idl.ReplicaPrimary || got.Ballot >= listed.Ballot {
		tc.t.Errorf("%+v although the meta lists ballot %d", got, listed.Ballot)
	}
	if got := tc.probe()[0]; got != idl.ErrInvalidState {
		tc.t.Errorf("write: %s", string(got))
	}
	get := tc.at(0).try(tc.header(0, 0), idl.NameGet, &idl.BlobRequest{Key: key("a", "b")}, &idl.GetResponse{})
	if get != idl.ErrInvalidState {
		tc.t.Errorf("read: %s", string(get))
	}
}

func TestLostSecondaryMakesThePrimaryInactive(t *testing.T) {
	c, clock, tc := manual(t)
	tc.fill(2000)
	open := tc.getScanner(0, fullScan(10))
	c.mu.Lock()
	p := c.tables[0].partitions[0]
	c.dropReplica(p, p.secondaries[0])
	p.cureAt = clock.Now().Add(c.Timing().Dropout)
	c.apply(p)
	c.mu.Unlock()
	tc.expectInactive(config(c, "t", 0))
	clock.Advance(c.Timing().Inactive)
	if got := tc.probe()[0]; got != idl.ErrOK {
		t.Errorf("with one secondary: %s", string(got))
	}
	if resp := tc.scan(0, open.ContextID); resp.Error != idl.StatusOK {
		t.Errorf("the open scan: %v", resp.Error)
	}
}

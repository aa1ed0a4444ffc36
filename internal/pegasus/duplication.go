package pegasus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// ErrDuplicationExists is wrapped when a table is duplicated to that cluster already. 2.4 and 2.5 say
// it by ERR_OK with id 0, later servers by ERR_DUP_EXIST (src/meta/duplication,
// meta_duplication_service.cpp, do_add_duplication). The request may have moved it on: a paused one
// ships again.
var ErrDuplicationExists = errors.New("the table is duplicated to that cluster already")

// DuplicationSpec declares a duplication.
type DuplicationSpec struct {
	Table string
	// Remote is the other cluster's name in [pegasus.clusters].
	Remote string
	// LogOnly ships what is written from now on and no checkpoint: the remote table has to exist, with
	// as many partitions, and gets nothing of what is there.
	LogOnly bool
	// RemoteTable and RemoteReplicas are "" and 0 for those of Table. Servers up to 2.5 take no others
	// and ignore them in silence: see HasListDuplication.
	RemoteTable    string
	RemoteReplicas int32
}

// AddedDuplication is the meta's answer to a new duplication.
type AddedDuplication struct {
	// ID is above 0.
	ID int32
	// RemoteTable and RemoteReplicas are what the follower will have; "" and 0 up to 2.5, which means
	// those of the source.
	RemoteTable    string
	RemoteReplicas int32
}

// AddDuplication starts a duplication. It is sent once: ADD on a duplication that exists has side
// effects. Errors: ErrOutcomeUnknown when the answer was lost, ErrDuplicationExists, *MetaError
// with the server's hint (ERR_INVALID_PARAMETERS: the cluster is not configured there or is itself;
// ERR_APP_NOT_EXIST; ERR_SERVICE_NOT_ACTIVE: duplication_enabled is false).
func (c *Cluster) AddDuplication(ctx context.Context, spec DuplicationSpec) (AddedDuplication, error) {
	req := &idl.AddDuplicationRequest{AppName: spec.Table, RemoteClusterName: spec.Remote, IsDuplicatingCheckpoint: new(!spec.LogOnly)}
	if spec.RemoteTable != "" {
		req.RemoteAppName = new(spec.RemoteTable)
	}
	if spec.RemoteReplicas != 0 {
		req.RemoteReplicaCount = new(spec.RemoteReplicas)
	}
	resp, err := c.addDuplication(ctx, req, true)
	if err != nil {
		return AddedDuplication{}, fmt.Errorf("duplicate table %s to %s: %w", spec.Table, spec.Remote, err)
	}
	out := AddedDuplication{ID: resp.DupID, RemoteTable: text(resp.RemoteAppName)}
	if resp.RemoteReplicaCount != nil {
		out.RemoteReplicas = *resp.RemoteReplicaCount
	}
	return out, nil
}

// addDuplication sends the request and judges the answer.
func (c *Cluster) addDuplication(ctx context.Context, req *idl.AddDuplicationRequest, once bool) (*idl.AddDuplicationResponse, error) {
	resp, addr, err := askMeta(ctx, c, idl.NameAddDuplication, req, once,
		func(r *idl.AddDuplicationResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameAddDuplication, addr, resp.Err, text(resp.Hint))
	}
	switch {
	case err == nil && resp.DupID <= 0:
		return nil, fmt.Errorf("cluster %q: %w (%s answered %s and named none)", c.cfg.Name, ErrDuplicationExists, addr, resp.Err.Error())
	case errors.Is(err, idl.ErrDupExist):
		return nil, fmt.Errorf("%w: %w", ErrDuplicationExists, err)
	case err != nil:
		return nil, err
	}
	return resp, nil
}

// Duplications lists the duplications of a table by id; a cluster whose metas run without
// duplication ([replication] duplication_enabled) has none. Removed ones are not listed.
func (c *Cluster) Duplications(ctx context.Context, table string) ([]Duplication, error) {
	resp, addr, err := askMeta(ctx, c, idl.NameQueryDuplication, &idl.QueryDuplicationRequest{AppName: table}, false,
		func(r *idl.QueryDuplicationResponse) idl.ErrorCode { return r.Err })
	if err == nil && resp.Err == idl.ErrServiceNotActive {
		return nil, nil
	}
	if err == nil {
		err = refusal(c, idl.NameQueryDuplication, addr, resp.Err, "")
	}
	if err != nil {
		return nil, fmt.Errorf("duplications of table %s: %w", table, err)
	}
	var out []Duplication
	for i := range resp.EntryList {
		out = append(out, duplication(&resp.EntryList[i]))
	}
	return out, nil
}

// duplication translates a duplication_entry.
func duplication(e *idl.DuplicationEntry) Duplication {
	d := Duplication{ID: e.DupID, Status: e.Status.String(), Remote: e.Remote,
		CreatedAt: time.UnixMilli(e.CreateTs).UTC(), Progress: e.Progress, RemoteTable: text(e.RemoteAppName)}
	if e.FailMode != nil {
		d.FailMode = e.FailMode.String()
	}
	if e.RemoteReplicaCount != nil {
		d.RemoteReplicas = *e.RemoteReplicaCount
	}
	if e.PartitionStates != nil {
		d.PartitionStates = make(map[int32]DuplicationState, len(e.PartitionStates))
		for p, s := range e.PartitionStates {
			d.PartitionStates[p] = DuplicationState{Confirmed: s.ConfirmedDecree, Committed: s.LastCommittedDecree}
		}
	}
	return d
}

// RemoveDuplication ends a duplication; replicas stop shipping at their next duplication sync, 10 s
// or less. Doing it twice is doing it once: the second answer is ERR_OBJECT_NOT_FOUND, a *MetaError.
func (c *Cluster) RemoveDuplication(ctx context.Context, table string, id int32) error {
	return c.SetDuplicationStatus(ctx, table, id, idl.DupRemoved)
}

// SetDuplicationStatus moves a duplication to another state. The meta takes LOG to PAUSE and back,
// anything to REMOVED, and the steps that it takes itself; everything else is ERR_INVALID_PARAMETERS
// (src/meta/duplication/duplication_info.h, is_valid_alteration): one that is still copying cannot be
// paused. ERR_BUSY while it is being changed. All are *MetaError.
func (c *Cluster) SetDuplicationStatus(ctx context.Context, table string, id int32, status idl.DuplicationStatus) error {
	err := c.modifyDuplication(ctx, &idl.ModifyDuplicationRequest{AppName: table, DupID: id, Status: &status})
	if err != nil {
		return fmt.Errorf("set duplication %d of table %s to %s: %w", id, table, status, err)
	}
	return nil
}

// SetDuplicationFailMode says what a duplication does about log blocks that cannot be read. Errors as
// SetDuplicationStatus.
func (c *Cluster) SetDuplicationFailMode(ctx context.Context, table string, id int32, mode idl.DuplicationFailMode) error {
	err := c.modifyDuplication(ctx, &idl.ModifyDuplicationRequest{AppName: table, DupID: id, FailMode: &mode})
	if err != nil {
		return fmt.Errorf("set fail mode of duplication %d of table %s to %s: %w", id, table, mode, err)
	}
	return nil
}

// modifyDuplication sends req; doing it twice is doing it once.
func (c *Cluster) modifyDuplication(ctx context.Context, req *idl.ModifyDuplicationRequest) error {
	resp, addr, err := askMeta(ctx, c, idl.NameModifyDuplication, req, false,
		func(r *idl.ModifyDuplicationResponse) idl.ErrorCode { return r.Err })
	if err != nil {
		return err
	}
	return refusal(c, idl.NameModifyDuplication, addr, resp.Err, "")
}

// noSuchTable is a name that no table has: 128 random bits, and a character that the servers' own
// tools refuse in a table's name.
func noSuchTable() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("pegmigrate-probe-%x", b)
}

// ProbeDuplication asks the leading meta for a duplication of a table that cannot exist. It looks at
// its configuration first, so that nil, which stands for ERR_APP_NOT_EXIST, proves that the meta has
// duplication switched on and knows the remote's cluster id and meta servers; it proves nothing about
// replica servers. Nothing is changed. A *MetaError is the server's refusal:
// ERR_SERVICE_NOT_ACTIVE when duplication is off, ERR_INVALID_PARAMETERS with a hint otherwise.
func (c *Cluster) ProbeDuplication(ctx context.Context, remote string) error {
	_, err := c.addDuplication(ctx, &idl.AddDuplicationRequest{AppName: noSuchTable(), RemoteClusterName: remote,
		IsDuplicatingCheckpoint: new(true)}, false)
	switch {
	case errors.Is(err, idl.ErrAppNotExist):
		return nil
	case err == nil, errors.Is(err, ErrDuplicationExists):
		return fmt.Errorf("cluster %q: a duplication of a table that cannot exist was accepted", c.cfg.Name)
	}
	return fmt.Errorf("ask about a duplication to %s: %w", remote, err)
}

// HasListDuplication tells whether the leading meta knows RPC_CM_LIST_DUPLICATION: 2.6 and later do,
// and these take another table name and replica count for a follower.
func (c *Cluster) HasListDuplication(ctx context.Context) (bool, error) {
	var err error
	for range 2 {
		if _, _, err = askMeta(ctx, c, idl.NameListDuplication,
			&idl.ListDuplicationRequest{AppNamePattern: noSuchTable(), MatchType: idl.MatchExact}, false,
			func(r *idl.ListDuplicationResponse) idl.ErrorCode { return r.Err }); err == nil {
			return true, nil
		}
		if !errors.Is(err, idl.ErrHandlerNotFound) {
			break
		}
		// A meta that is starting says the same to everything: once it answers, its word counts.
		if _, infoErr := c.Info(ctx); infoErr != nil {
			return false, infoErr
		}
	}
	if errors.Is(err, idl.ErrHandlerNotFound) {
		return false, nil
	}
	return false, fmt.Errorf("ask whether duplications can be listed: %w", err)
}

package pegasus

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// CreateSpec declares a table.
type CreateSpec struct {
	Name string
	// Partitions should be a power of two; servers accept anything above 0.
	Partitions int32
	// Replicas is at most the number of alive nodes and the server's
	// max_allowed_replica_count.
	Replicas int32
	// Envs must not hold default_ttl or manual_compact.*: replica servers crash on
	// opening such a table. CreateTable refuses them.
	Envs map[string]string
}

// crashes tells whether replica servers crash on opening a table that was created with
// this env (seen on 2.5.0; the cause is in 2.4 and master alike).
func crashes(env string) bool {
	return env == "default_ttl" || strings.HasPrefix(env, "manual_compact.")
}

// CreateTable creates a table that must not exist and returns its id. The answer comes
// before the partitions have primaries. Errors: *MetaError (ERR_APP_EXIST,
// ERR_INVALID_PARAMETERS, ERR_STATE_FREEZED, ERR_BUSY_CREATING ...), ErrOutcomeUnknown.
func (c *Cluster) CreateTable(ctx context.Context, spec CreateSpec) (appID int32, err error) {
	for key := range spec.Envs {
		if crashes(key) {
			return 0, fmt.Errorf("create table %s: env %s at creation makes replica servers crash; set it once the table is healthy",
				spec.Name, key)
		}
	}
	req := &idl.CreateAppRequest{AppName: spec.Name, Options: idl.CreateAppOptions{
		PartitionCount: spec.Partitions,
		ReplicaCount:   spec.Replicas,
		AppType:        "pegasus",
		IsStateful:     true,
		Envs:           spec.Envs,
	}}
	resp, addr, err := askMeta(ctx, c, idl.NameCreateApp, req, true,
		func(r *idl.CreateAppResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameCreateApp, addr, resp.Err, "")
	}
	if err != nil {
		return 0, fmt.Errorf("create table %s: %w", spec.Name, err)
	}
	return resp.AppID, nil
}

// DropTable drops a table that must exist. Its data is kept for reserve, rounded up to
// seconds, or for the server's hold_seconds_for_dropped_app when reserve is 0. Errors:
// *MetaError (ERR_APP_NOT_EXIST ...), ErrOutcomeUnknown.
func (c *Cluster) DropTable(ctx context.Context, name string, reserve time.Duration) error {
	req := &idl.DropAppRequest{AppName: name}
	if reserve > 0 {
		req.Options.ReserveSeconds = new(int64((reserve + time.Second - 1) / time.Second))
	}
	resp, addr, err := askMeta(ctx, c, idl.NameDropApp, req, true,
		func(r *idl.DropAppResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameDropApp, addr, resp.Err, "")
	}
	if err != nil {
		return fmt.Errorf("drop table %s: %w", name, err)
	}
	return nil
}

// RecallTable brings a dropped table back, under newName or, with "", its old name.
// Errors: *MetaError, ErrOutcomeUnknown.
func (c *Cluster) RecallTable(ctx context.Context, appID int32, newName string) (TableInfo, error) {
	req := &idl.RecallAppRequest{AppID: appID, NewAppName: newName}
	resp, addr, err := askMeta(ctx, c, idl.NameRecallApp, req, true,
		func(r *idl.RecallAppResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameRecallApp, addr, resp.Err, "")
	}
	if err != nil {
		return TableInfo{}, fmt.Errorf("recall table with id %d: %w", appID, err)
	}
	return tableInfo(&resp.Info), nil
}

// RenameTable renames a table; servers before 2.5 answer ERR_HANDLER_NOT_FOUND. Errors:
// *MetaError, *wire.HeaderError, ErrOutcomeUnknown.
func (c *Cluster) RenameTable(ctx context.Context, name, newName string) error {
	req := &idl.RenameAppRequest{OldAppName: name, NewAppName: newName}
	resp, addr, err := askMeta(ctx, c, idl.NameRenameApp, req, true,
		func(r *idl.RenameAppResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameRenameApp, addr, resp.Err, resp.HintMessage)
	}
	if err != nil {
		return fmt.Errorf("rename table %s to %s: %w", name, newName, err)
	}
	return nil
}

// ListTables lists all tables, dropped ones that can still be recalled included, by id.
func (c *Cluster) ListTables(ctx context.Context) ([]TableInfo, error) {
	resp, addr, err := askMeta(ctx, c, idl.NameListApps, &idl.ListAppsRequest{Status: idl.AppInvalid}, false,
		func(r *idl.ListAppsResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameListApps, addr, resp.Err, "")
	}
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	out := make([]TableInfo, len(resp.Infos))
	for i := range resp.Infos {
		out[i] = tableInfo(&resp.Infos[i])
	}
	slices.SortFunc(out, func(a, b TableInfo) int { return int(a.ID) - int(b.ID) })
	return out, nil
}

// tableInfo translates an app_info.
func tableInfo(a *idl.AppInfo) TableInfo {
	at := func(s int64) time.Time {
		if s <= 0 {
			return time.Time{}
		}
		return time.Unix(s, 0).UTC()
	}
	t := TableInfo{
		Name: a.AppName, ID: a.AppID, Partitions: a.PartitionCount, Replicas: a.MaxReplicaCount,
		Status: strings.TrimPrefix(a.Status.String(), "AS_"), Envs: a.Envs,
		CreatedAt: at(a.CreateSecond), DroppedAt: at(a.DropSecond), ExpireAt: at(a.ExpireSecond),
		InitPartitions: a.InitPartitionCount,
	}
	t.Duplicating = a.Duplicating != nil && *a.Duplicating
	t.BulkLoading = a.IsBulkLoading != nil && *a.IsBulkLoading
	return t
}

// PartitionConfigs asks where the partitions of a table live. Errors: *MetaError with
// ERR_OBJECT_NOT_FOUND for a missing table, ERR_BUSY_CREATING, ERR_BUSY_DROPPING.
func (c *Cluster) PartitionConfigs(ctx context.Context, table string) (*TableConfig, error) {
	cfg, err := c.partitionConfigs(ctx, table)
	if err != nil {
		return nil, fmt.Errorf("partitions of table %s: %w", table, err)
	}
	return cfg, nil
}

func (c *Cluster) partitionConfigs(ctx context.Context, table string) (*TableConfig, error) {
	resp, addr, err := askMeta(ctx, c, idl.NameQueryConfig, &idl.QueryConfigRequest{AppName: table}, false,
		func(r *idl.QueryConfigResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameQueryConfig, addr, resp.Err, "")
	}
	if err != nil {
		return nil, err
	}
	count := resp.PartitionCount
	if count < 1 || int(count) != len(resp.Partitions) {
		return nil, fmt.Errorf("%s says %d partitions and lists %d", addr, count, len(resp.Partitions))
	}
	out := &TableConfig{AppID: resp.AppID, Partitions: make([]PartitionConfig, count)}
	seen := make([]bool, count)
	for i := range resp.Partitions {
		p := &resp.Partitions[i]
		at := p.Pid.Partition
		if at < 0 || at >= count || seen[at] || p.Pid.AppID != resp.AppID {
			return nil, fmt.Errorf("%s lists partition %v in table %d of %d partitions", addr, p.Pid, resp.AppID, count)
		}
		seen[at] = true
		pc := PartitionConfig{Index: at, Ballot: p.Ballot, Primary: p.Primary.String(), MaxReplicas: p.MaxReplicaCount}
		for _, s := range p.Secondaries {
			if !s.IsZero() {
				pc.Secondaries = append(pc.Secondaries, s.String())
			}
		}
		out.Partitions[at] = pc
	}
	return out, nil
}

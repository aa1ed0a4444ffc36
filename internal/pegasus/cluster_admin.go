package pegasus

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// SetEnvs sets envs of a table; others keep their values. Replica servers learn them at
// their next config sync. A *MetaError carries the server's hint, which names unknown
// keys and allowed values.
func (c *Cluster) SetEnvs(ctx context.Context, table string, envs map[string]string) error {
	req := &idl.UpdateAppEnvRequest{AppName: table, Op: idl.EnvOpSet}
	for key := range envs {
		req.Keys = append(req.Keys, key)
	}
	slices.Sort(req.Keys)
	for _, key := range req.Keys {
		req.Values = append(req.Values, envs[key])
	}
	return c.updateEnvs(ctx, "set", req)
}

// DeleteEnvs deletes envs of a table; keys that it does not have are no error. Note
// that replicas keep a deleted default_ttl in force until they restart.
func (c *Cluster) DeleteEnvs(ctx context.Context, table string, keys ...string) error {
	return c.updateEnvs(ctx, "delete", &idl.UpdateAppEnvRequest{AppName: table, Op: idl.EnvOpDel, Keys: keys})
}

// updateEnvs sends req; doing it twice is doing it once.
func (c *Cluster) updateEnvs(ctx context.Context, verb string, req *idl.UpdateAppEnvRequest) error {
	if len(req.Keys) == 0 {
		return nil
	}
	resp, addr, err := askMeta(ctx, c, idl.NameUpdateAppEnv, req, false,
		func(r *idl.UpdateAppEnvResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameUpdateAppEnv, addr, resp.Err, resp.HintMessage)
	}
	if err != nil {
		return fmt.Errorf("%s envs %s of table %s: %w", verb, strings.Join(req.Keys, ", "), req.AppName, err)
	}
	return nil
}

// Nodes lists the replica servers that the meta knows, by address.
func (c *Cluster) Nodes(ctx context.Context) ([]Node, error) {
	resp, addr, err := askMeta(ctx, c, idl.NameListNodes, &idl.ListNodesRequest{Status: idl.NodeInvalid}, false,
		func(r *idl.ListNodesResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameListNodes, addr, resp.Err, "")
	}
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	out := make([]Node, 0, len(resp.Infos))
	for _, n := range resp.Infos {
		out = append(out, Node{Addr: n.Node.String(), Alive: n.Status == idl.NodeAlive})
	}
	slices.SortFunc(out, func(a, b Node) int { return strings.Compare(a.Addr, b.Addr) })
	return out, nil
}

// Info asks the cluster about itself.
func (c *Cluster) Info(ctx context.Context) (ClusterInfo, error) {
	resp, addr, err := askMeta(ctx, c, idl.NameClusterInfo, &idl.ClusterInfoRequest{}, false,
		func(r *idl.ClusterInfoResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameClusterInfo, addr, resp.Err, "")
	}
	if err == nil && len(resp.Keys) != len(resp.Values) {
		err = fmt.Errorf("%s sent %d keys and %d values", addr, len(resp.Keys), len(resp.Values))
	}
	if err != nil {
		return ClusterInfo{}, fmt.Errorf("cluster info: %w", err)
	}
	raw := make(map[string]string, len(resp.Keys))
	for i, key := range resp.Keys {
		raw[key] = resp.Values[i]
	}
	// The keys are those of src/meta/meta_service.cpp, on_query_cluster_info.
	return ClusterInfo{
		Name:           raw["cluster_name"],
		MetaServers:    splitList(raw["meta_servers"]),
		PrimaryMeta:    raw["primary_meta_server"],
		ZookeeperHosts: splitList(raw["zookeeper_hosts"]),
		ZookeeperRoot:  raw["zookeeper_root"],
		Level:          raw["meta_function_level"],
		Raw:            raw,
	}, nil
}

// splitList splits a comma-separated list and drops empty parts.
func splitList(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// metaLevels are the function levels that can be set (src/meta/meta_service.h).
func metaLevels() map[string]idl.MetaLevel {
	return map[string]idl.MetaLevel{
		"stopped": idl.MetaStopped, "blind": idl.MetaBlind, "freezed": idl.MetaFreezed,
		"steady": idl.MetaSteady, "lively": idl.MetaLively,
	}
}

// MetaLevel is the meta function level: stopped, blind, freezed, steady or lively.
func (c *Cluster) MetaLevel(ctx context.Context) (string, error) {
	old, err := c.controlMeta(ctx, idl.MetaLevelInvalid)
	if err != nil {
		return "", fmt.Errorf("meta level: %w", err)
	}
	return old.String(), nil
}

// SetMetaLevel sets the meta function level. The level before must be read beforehand:
// a lost answer is asked for again, and the second answer knows only the new level.
func (c *Cluster) SetMetaLevel(ctx context.Context, level string) error {
	l, ok := metaLevels()[level]
	if !ok {
		return fmt.Errorf("%q is no meta function level", level)
	}
	if _, err := c.controlMeta(ctx, l); err != nil {
		return fmt.Errorf("set meta level to %s: %w", level, err)
	}
	return nil
}

func (c *Cluster) controlMeta(ctx context.Context, l idl.MetaLevel) (old idl.MetaLevel, err error) {
	resp, addr, err := askMeta(ctx, c, idl.NameMetaControl, &idl.MetaControlRequest{Level: l}, false,
		func(r *idl.MetaControlResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameMetaControl, addr, resp.Err, "")
	}
	if err != nil {
		return 0, err
	}
	return resp.OldLevel, nil
}

// BulkLoadStatus asks for the bulk load of a table; a table without one has Status
// "BLS_INVALID".
func (c *Cluster) BulkLoadStatus(ctx context.Context, table string) (BulkLoad, error) {
	resp, addr, err := askMeta(ctx, c, idl.NameQueryBulkLoad, &idl.QueryBulkLoadRequest{AppName: table}, false,
		func(r *idl.QueryBulkLoadResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameQueryBulkLoad, addr, resp.Err, text(resp.HintMsg))
	}
	if err != nil {
		return BulkLoad{}, fmt.Errorf("bulk load of table %s: %w", table, err)
	}
	b := BulkLoad{Status: resp.AppStatus.String(), Hint: text(resp.HintMsg)}
	for _, s := range resp.PartitionsStatus {
		b.Partitions = append(b.Partitions, s.String())
	}
	switch resp.AppStatus {
	case idl.BulkLoadInvalid, idl.BulkLoadSucceed, idl.BulkLoadFailed, idl.BulkLoadCanceled:
	default:
		b.Loading = true
	}
	if resp.IsBulkLoading != nil {
		b.Loading = *resp.IsBulkLoading
	}
	return b, nil
}

// Splitting tells whether a partition split of the table is under way or paused.
// Servers answer ERR_INVALID_STATE when none is (src/meta/meta_split_service.cpp).
func (c *Cluster) Splitting(ctx context.Context, table string) (bool, error) {
	resp, addr, err := askMeta(ctx, c, idl.NameQuerySplit, &idl.QuerySplitRequest{AppName: table}, false,
		func(r *idl.QuerySplitResponse) idl.ErrorCode { return r.Err })
	if err == nil && resp.Err == idl.ErrInvalidState {
		return false, nil
	}
	if err == nil {
		err = refusal(c, idl.NameQuerySplit, addr, resp.Err, text(resp.HintMsg))
	}
	if err != nil {
		return false, fmt.Errorf("split of table %s: %w", table, err)
	}
	return true, nil
}

// text is an optional string.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

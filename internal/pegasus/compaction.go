package pegasus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// ErrCompactionDisabled is wrapped when the table's env manual_compact.disabled forbids it.
var ErrCompactionDisabled = errors.New("manual compaction is disabled for the table")

// CompactionSpec asks for a manual compaction of a table.
type CompactionSpec struct {
	Table string
	// TargetLevel is the level to compact into, -1 for the default.
	TargetLevel int32
	// Bottommost compacts the bottommost level too.
	Bottommost bool
	// Running bounds the compactions of one replica server at a time, 0 for no bound.
	Running int32
}

// StartManualCompact starts a manual compaction: the meta writes envs manual_compact.once.*, which the
// replicas learn with their next config sync, and which stay. It is sent once: a later trigger time
// would compact again. Errors: ErrOutcomeUnknown, ErrCompactionDisabled, *MetaError.
func (c *Cluster) StartManualCompact(ctx context.Context, spec CompactionSpec) error {
	req := &idl.StartManualCompactRequest{AppName: spec.Table, TargetLevel: &spec.TargetLevel, Bottommost: &spec.Bottommost}
	if spec.Running > 0 {
		req.MaxRunningCount = &spec.Running
	}
	resp, addr, err := askMeta(ctx, c, idl.NameStartManualCompact, req, true,
		func(r *idl.StartManualCompactResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameStartManualCompact, addr, resp.Err, resp.HintMsg)
	}
	if errors.Is(err, idl.ErrOperationDisabled) {
		err = fmt.Errorf("%w: %w", ErrCompactionDisabled, err)
	}
	if err != nil {
		return fmt.Errorf("compact table %s: %w", spec.Table, err)
	}
	return nil
}

// ManualCompactProgress is how far the meta believes the manual compaction of a table to be, in percent
// of its replicas. running is false when it knows of none: before the replicas have learned of one and
// after a meta became leader, as well as afterwards. It rests on what replicas report, and those say of
// an earlier compaction that it is finished until they begin the next: ReplicaCompactions proves.
func (c *Cluster) ManualCompactProgress(ctx context.Context, table string) (percent int, running bool, err error) {
	resp, addr, err := askMeta(ctx, c, idl.NameQueryManualCompact, &idl.QueryManualCompactRequest{AppName: table}, false,
		func(r *idl.QueryManualCompactResponse) idl.ErrorCode { return r.Err })
	if err == nil && resp.Err == idl.ErrInvalidState {
		return 0, false, nil
	}
	if err == nil {
		err = refusal(c, idl.NameQueryManualCompact, addr, resp.Err, resp.HintMsg)
	}
	if err != nil {
		return 0, false, fmt.Errorf("manual compaction of table %s: %w", table, err)
	}
	if resp.Progress != nil {
		percent = int(*resp.Progress)
	}
	return percent, true, nil
}

// CompactionCounts are the replicas of a table on one server by what they do about a manual compaction.
// Finished ones have compacted since the server started; idle ones have not.
type CompactionCounts struct{ Idle, Running, Queuing, Finished int }

// CompactionCounts asks a replica server; one without a replica of the table has none.
func (c *Cluster) CompactionCounts(ctx context.Context, node string, appID int32) (CompactionCounts, error) {
	body, status, err := c.HTTPGet(ctx, node, "/replica/manual_compaction?app_id="+strconv.Itoa(int(appID)))
	if err != nil {
		return CompactionCounts{}, err
	}
	out, err := parseCompactionCounts(body, status, appID)
	if err != nil {
		return CompactionCounts{}, fmt.Errorf("manual compaction of table %d on %s: %w", appID, node, err)
	}
	return out, nil
}

// parseCompactionCounts reads the answer of /replica/manual_compaction, whose numbers are numbers up to
// 2.5 and may be strings.
func parseCompactionCounts(body []byte, status int, appID int32) (CompactionCounts, error) {
	if status == http.StatusNotFound && strings.Contains(string(body), fmt.Sprintf("app_id=%d not found", appID)) {
		return CompactionCounts{}, nil
	}
	var j struct {
		Status map[string]json.RawMessage `json:"status"`
	}
	if status != http.StatusOK || json.Unmarshal(body, &j) != nil || j.Status == nil {
		return CompactionCounts{}, fmt.Errorf("server answers %d %q", status, clip(string(body)))
	}
	var out CompactionCounts
	for name, into := range map[string]*int{"idle": &out.Idle, "running": &out.Running, "queuing": &out.Queuing, "finished": &out.Finished} {
		raw := j.Status[name]
		n, err := strconv.Atoi(strings.Trim(string(raw), `"`))
		if raw != nil && err != nil {
			return CompactionCounts{}, fmt.Errorf("server answers %d %q", status, clip(string(body)))
		}
		*into = n
	}
	return out, nil
}

// ReplicaCompaction is what one replica says of its manual compactions.
type ReplicaCompaction struct {
	Primary bool
	// Finished is when the last one ended, in the server's local time as it prints it, "" when there was
	// none. It is kept in the files: another text than before is the proof of a compaction.
	Finished string
	// Queued and Running say that one is waiting or under way.
	Queued, Running bool
}

// ReplicaCompactions asks a replica server for the manual compactions of its replicas of a table, by
// partition.
func (c *Cluster) ReplicaCompactions(ctx context.Context, node string, appID int32) (map[int32]ReplicaCompaction, error) {
	out, err := c.RemoteCommand(ctx, node, "replica.query-compact", strconv.Itoa(int(appID)))
	if err != nil {
		return nil, err
	}
	lines, err := parseReplicaLines(out, appID)
	if err != nil {
		return nil, fmt.Errorf("replica.query-compact of %s: %w", node, err)
	}
	all := make(map[int32]ReplicaCompaction, len(lines))
	for partition, line := range lines {
		finished, ok := between(line.text, "last finish at [", "]")
		if !ok {
			return nil, fmt.Errorf("replica.query-compact of %s: partition %d: %q", node, partition, clip(line.text))
		}
		r := ReplicaCompaction{Primary: line.primary, Queued: strings.Contains(line.text, "recent enqueue at ["),
			Running: strings.Contains(line.text, "recent start at [")}
		if finished != "-" {
			r.Finished = finished
		}
		all[partition] = r
	}
	return all, nil
}

func between(s, before, after string) (string, bool) {
	_, rest, ok := strings.Cut(s, before)
	if !ok {
		return "", false
	}
	in, _, ok := strings.Cut(rest, after)
	return in, ok
}

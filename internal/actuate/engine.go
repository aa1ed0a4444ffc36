package actuate

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/copier"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Engine implements apply.Engine with this process as the only worker.
type Engine struct {
	clusters *Clusters
	now      func() time.Time
}

var _ apply.Engine = (*Engine)(nil)

// NewEngine moves and compares rows between clusters.
func NewEngine(c *Clusters, now func() time.Time) *Engine { return &Engine{clusters: c, now: now} }

// Copy implements apply.Engine.
func (e *Engine) Copy(ctx context.Context, job apply.CopyJob) (apply.CopyOutcome, error) {
	var out apply.CopyOutcome
	src, err := e.clusters.open(ctx, job.Source)
	if err != nil {
		return out, err
	}
	dst, err := e.clusters.open(ctx, job.Target)
	if err != nil {
		return out, err
	}
	resume, err := decodeCursors(job.Cursors)
	if err != nil {
		return out, err
	}
	opts, err := copyOptions(job)
	if err != nil {
		return out, err
	}
	opts.MaxWrite, opts.SourceID = e.maxWrite(ctx, job.Target), src.ID()
	pacer, stop, err := e.clusters.paced(ctx, job.Source, job.Target, pacedLimits(job.Limits, job.Unpaced))
	if err != nil {
		return out, err
	}
	defer stop()
	opts.Pacer = pacer
	estimates := e.estimates(ctx, job.Source)
	result, err := copier.Run(ctx, scan.Table(src), dst, resume, opts,
		func(cursors []copier.Cursor) error {
			encoded, err := encodeCursors(cursors)
			if err != nil {
				return err
			}
			return job.Save(encoded)
		},
		copier.ReporterFunc(func(p copier.Progress) { job.Report(copyProgress(p, estimates)) }))
	if err == nil {
		err = unchanged(ctx, src, dst)
	}
	if err != nil {
		return out, err
	}
	out.Rows, out.Bytes, out.Filtered, out.Kept = result.Rows, result.Bytes, result.Filtered, result.Kept
	// By partition; one that was not to be copied has the digest of no rows.
	digests := make([]copier.Digests, src.PartitionCount())
	for i := range digests {
		digests[i].Start = result.Cursors[0].Digests.Start
	}
	for _, c := range result.Cursors {
		digests[c.Partition] = c.Digests
	}
	out.Digest, err = json.Marshal(digests)
	return out, err
}

func decodeCursors(in map[string]json.RawMessage) ([]copier.Cursor, error) {
	out := make([]copier.Cursor, 0, len(in))
	for key, data := range in {
		var c copier.Cursor
		if err := json.Unmarshal(data, &c); err != nil {
			return nil, fmt.Errorf("the saved cursor of partition %s cannot be read: %w", key, err)
		}
		out = append(out, c)
	}
	return out, nil
}

func encodeCursors(in []copier.Cursor) (map[string]json.RawMessage, error) {
	out := make(map[string]json.RawMessage, len(in))
	for _, c := range in {
		data, err := json.Marshal(c)
		if err != nil {
			return nil, err
		}
		out[strconv.Itoa(int(c.Partition))] = data
	}
	return out, nil
}

// copyProgress turns the copier's report into an event.
func copyProgress(p copier.Progress, e estimates) event.MoveProgress {
	out := event.MoveProgress{
		Kind: "copy", PartitionsDone: p.PartitionsDone, PartitionCount: len(p.Partitions),
		Rows: p.Rows, Bytes: p.Bytes, Filtered: p.Filtered, Kept: p.Kept, RowsEstimate: e.total,
		RowsPerSecond: p.RowsPerSecond, BytesPerSecond: p.BytesPerSecond,
		InFlight: p.InFlight, Limit: p.Limit, LimitReason: p.Reason, LimitSource: p.LimitSource, Elapsed: p.Elapsed,
		InForce: event.Caps{RowsPerSecond: float64(p.RowsCap), BytesPerSecond: float64(p.BytesCap), InFlight: p.FlightCap, Held: p.Held},
		Retries: p.Retries, CursorSaved: p.Saved,
		Partitions: make([]event.PartitionProgress, len(p.Partitions)),
	}
	for i, part := range p.Partitions {
		out.Partitions[i] = event.PartitionProgress{Index: part.Partition, Rows: part.Rows, Bytes: part.Bytes,
			Estimate: e.of(part.Partition), Active: part.Active, Done: part.Done}
	}
	out.ETA = eta(e.total, p.Rows, p.RowsPerSecond)
	return out
}

// eta is 0 while nothing can be said.
func eta(total, rows uint64, rate float64) time.Duration {
	if total <= rows || rate < 1 {
		return 0
	}
	return time.Duration(float64(total-rows) / rate * float64(time.Second))
}

// estimates are RocksDB's row counts per partition, for progress and nothing else.
type estimates struct {
	rows  map[int32]uint64
	total uint64
}

func (e estimates) of(partition int32) uint64 { return e.rows[partition] }

// estimates asks the primaries' servers; without an answer there is no ETA.
func (e *Engine) estimates(ctx context.Context, t plan.TableRef) estimates {
	out := estimates{rows: map[int32]uint64{}}
	c, err := e.clusters.cluster(t.Cluster)
	if err != nil {
		return out
	}
	config, err := c.PartitionConfigs(ctx, t.Table)
	if err != nil {
		return out
	}
	counter := func(p int32) string { return fmt.Sprintf("rdb.estimate_num_keys@%d.%d", config.AppID, p) }
	byNode := map[string]map[string]float64{}
	for _, p := range config.Partitions {
		if p.Primary == "" {
			continue
		}
		if byNode[p.Primary] == nil {
			counters, err := c.PerfCounters(ctx, p.Primary, fmt.Sprintf("rdb.estimate_num_keys@%d.", config.AppID))
			if err != nil {
				continue
			}
			byNode[p.Primary] = shortNames(counters)
		}
		rows := uint64(max(0, byNode[p.Primary][counter(p.Index)]))
		out.rows[p.Index] = rows
		out.total += rows
	}
	return out
}

// shortNames drops what stands in front of the names of counters: the server's role, which is
// "replica" or "replica1" by its configuration, and the section.
func shortNames(counters map[string]float64) map[string]float64 {
	out := make(map[string]float64, len(counters))
	for name, value := range counters {
		out[name[strings.LastIndexByte(name, '*')+1:]] = value
	}
	return out
}

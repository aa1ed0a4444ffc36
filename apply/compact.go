package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// CodeCompact is the code of a compaction that does not begin or does not end.
const CodeCompact = "PM3058"

// kindCompact is compactPrior.
const kindCompact = "compaction"

// The envs in which the meta server keeps a manual compaction (server_state.cpp,
// on_start_manual_compact). They stay for ever, and servers crash of them when a table is created with
// them, as the follower of a duplication is: what was not there before is taken out again.
const (
	envCompactTime       = "manual_compact.once.trigger_time"
	envCompactLevel      = "manual_compact.once.target_level"
	envCompactBottommost = "manual_compact.once.bottommost_level_compaction"
	envCompactDisabled   = "manual_compact.disabled"
)

// compactPrior is what a table was like before its compaction.
type compactPrior struct {
	Envs map[string]marker.Prior `json:"envs"`
	// Finished are the ends of earlier compactions, by partition and server.
	Finished map[int32]map[string]string `json:"finished,omitempty"`
}

// compactRunner compacts the table and proves it replica by replica.
type compactRunner struct {
	base
	a plan.ManualCompact
}

func (c *compactRunner) prior(ctx context.Context) (*state.Blob, error) {
	s, err := c.target(ctx, c.a.Table)
	if err != nil {
		return nil, err
	}
	p := compactPrior{Envs: map[string]marker.Prior{}, Finished: map[int32]map[string]string{}}
	for _, key := range []string{envCompactTime, envCompactLevel, envCompactBottommost} {
		p.Envs[key] = marker.PriorOf(s.Envs, key)
	}
	var list []CompactedReplica
	err = c.insist(ctx, "ask the replicas of "+c.a.Table.String()+" for their last compaction", func(ctx context.Context) error {
		var err error
		list, err = c.compacted(ctx)
		return err
	})
	for _, r := range list {
		if p.Finished[r.Partition] == nil {
			p.Finished[r.Partition] = map[string]string{}
		}
		p.Finished[r.Partition][r.Server] = r.Finished
	}
	if err != nil {
		return nil, err
	}
	return blob(kindCompact, p)
}

func (c *compactRunner) compacted(ctx context.Context) ([]CompactedReplica, error) {
	ctx, cancel := c.call(ctx)
	defer cancel()
	return c.r.World.Compactions.Compacted(ctx, c.a.Table)
}

// replicas counts those that have compacted since the step began.
type compactedReplicas struct {
	want, done, busy int
	first            string // that has not
}

func (c *compactRunner) look(ctx context.Context, s TableState) (n compactedReplicas, err error) {
	p, _, err := unblob[compactPrior](c.r.record(c.id).Prior, kindCompact)
	if err != nil {
		return n, err
	}
	list, err := c.compacted(ctx)
	if err != nil {
		return n, err
	}
	n.want = int(s.Partitions * s.Replicas)
	for _, r := range list {
		if r.Busy {
			n.busy++
		}
		if !r.Busy && r.Finished != "" && p.later(r) {
			n.done++
		} else if n.first == "" {
			n.first = fmt.Sprintf("partition %d on %s", r.Partition, r.Server)
		}
	}
	return n, nil
}

// later says whether a replica's last compaction is not one of those before. One that moved brings the
// end of its last compaction along with its files.
func (p compactPrior) later(r CompactedReplica) bool {
	for _, before := range p.Finished[r.Partition] {
		if before == r.Finished {
			return false
		}
	}
	return true
}

func (n compactedReplicas) text() string {
	text := fmt.Sprintf("%d of %d replicas have compacted, %d are at it or wait for their turn", n.done, n.want, n.busy)
	if n.first != "" {
		text += "; " + n.first + " has not"
	}
	return text
}

func (c *compactRunner) done(ctx context.Context) (bool, string, error) {
	s, err := c.target(ctx, c.a.Table)
	if err != nil {
		return false, "", err
	}
	if asked, err := c.asked(s); err != nil || asked {
		return false, "the envs of the compaction are still there", err
	}
	n, err := c.look(ctx, s)
	if err != nil {
		reason, err := tolerate(ctx, err)
		return false, reason, err
	}
	if n.done < n.want || n.busy > 0 {
		return false, n.text(), nil
	}
	return true, fmt.Sprintf("%d replicas of %s have compacted", n.done, c.a.Table), nil
}

// asked says whether the table carries the envs of a compaction that this step asked for.
func (c *compactRunner) asked(s TableState) (bool, error) {
	p, ok, err := unblob[compactPrior](c.r.record(c.id).Prior, kindCompact)
	if err != nil || !ok {
		return false, err
	}
	return marker.PriorOf(s.Envs, envCompactTime) != p.Envs[envCompactTime] && s.Envs[envCompactTime] != "", nil
}

func (c *compactRunner) run(ctx context.Context) error {
	s, err := c.target(ctx, c.a.Table)
	if err != nil {
		return err
	}
	asked, err := c.asked(s)
	if err != nil {
		return err
	}
	var n compactedReplicas
	if err := c.insist(ctx, "ask the replicas of "+c.a.Table.String()+" for their last compaction", func(ctx context.Context) error {
		var err error
		n, err = c.look(ctx, s)
		return err
	}); err != nil {
		return err
	}
	// A second compaction costs hours: it is asked for only when nothing tells of a first one.
	if !asked && (n.done < n.want || n.want == 0) {
		if err := c.start(ctx, s); err != nil {
			return err
		}
	}
	if err := c.follow(ctx, s); err != nil {
		return err
	}
	p, _, err := unblob[compactPrior](c.r.record(c.id).Prior, kindCompact)
	if err != nil {
		return err
	}
	return c.restoreEnvs(ctx, c.a.Table, p.Envs)
}

// start asks for the compaction. Whether a request whose answer was lost took effect, the table's envs
// tell.
func (c *compactRunner) start(ctx context.Context, s TableState) error {
	if strings.EqualFold(s.Envs[envCompactDisabled], "true") {
		return &StepError{Step: c.id, Code: CodeCompact, Text: fmt.Sprintf("%s has %s = true: nothing is compacted", c.a.Table, envCompactDisabled),
			Hint: fmt.Sprintf("in the shell of cluster %s: use %s; set_app_envs %s false; then run the same command again", c.a.Table.Cluster, c.a.Table.Table, envCompactDisabled)}
	}
	err := c.insist(ctx, "start the compaction of "+c.a.Table.String(), func(ctx context.Context) error {
		call, cancel := c.call(ctx)
		defer cancel()
		err := c.r.World.Compactions.StartCompaction(call, c.a.Table)
		if err == nil || errors.Is(err, ErrRefused) {
			return err
		}
		now, look := c.table(ctx, c.a.Table)
		if look != nil {
			return look
		}
		if asked, look := c.asked(now); look != nil || asked {
			return look
		}
		return err
	})
	if errors.Is(err, ErrRefused) {
		return &StepError{Step: c.id, Code: CodeCompact, Text: "the servers refuse to compact", Err: err, Hint: "look at the meta server's log; the same command asks again"}
	}
	return err
}

// follow waits until every replica has compacted. A large replica takes its time without a word.
func (c *compactRunner) follow(ctx context.Context, s TableState) error {
	return c.awaitProgress(ctx, max(c.r.Waits.Files, c.r.Waits.Poll), CodeCompact, func(ctx context.Context) (sight, error) {
		out := sight{limit: c.limit(s), causes: "look at the replica servers: a disk that is full or slow, manual_compact.max_concurrent_running_count, other tables that compact"}
		n, err := c.look(ctx, s)
		if err != nil {
			out.mark = "?"
			out.reason, err = tolerate(ctx, err)
			return out, err
		}
		out.mark, out.reason = fmt.Sprint(n.done, n.busy), n.text()
		out.over = n.done >= n.want && n.busy == 0
		if percent, running, err := c.percent(ctx); err == nil && running {
			out.reason += fmt.Sprintf("; the meta server says %d %%", percent)
			out.mark += fmt.Sprint(" ", percent)
		}
		return out, nil
	})
}

func (c *compactRunner) percent(ctx context.Context) (int, bool, error) {
	ctx, cancel := c.call(ctx)
	defer cancel()
	return c.r.World.Compactions.CompactionProgress(ctx, c.a.Table)
}

// limit is how long no replica may end its compaction: all of them may be at it side by side.
func (c *compactRunner) limit(s TableState) time.Duration {
	each := c.r.Plan.Source.Bytes / uint64(max(s.Partitions, 1))
	return c.r.Waits.Copying + time.Duration(each/copyPace)*time.Second
}

// debtRunner waits for what RocksDB still has to compact.
type debtRunner struct {
	base
	a plan.AwaitCompaction
}

const (
	// debtLevel0 is twice rocksdb_level0_file_num_compaction_trigger: a table that is written to has a few.
	debtLevel0 = 8
	// debtPending is four of the servers' write buffers (rocksdb_write_buffer_size): what a table that is
	// written to has pending now and then.
	debtPending = 256 << 20
)

func (d *debtRunner) look(ctx context.Context) (Debt, error) {
	ctx, cancel := d.call(ctx)
	defer cancel()
	return d.r.World.Compactions.Debt(ctx, d.a.Table)
}

func (d *debtRunner) done(ctx context.Context) (bool, string, error) {
	debt, err := d.look(ctx)
	if err != nil {
		return false, "", err
	}
	return debt.paid(), debt.text(), nil
}

func (d Debt) paid() bool {
	return d.PendingBytes <= debtPending && d.Level0Files <= debtLevel0 && d.Running == 0 && d.Unknown == 0
}

func (d Debt) text() string {
	text := "no replica compacts"
	if d.Running > 0 {
		text = plan.Counted(uint64(d.Running), "replica") + " compacted lately, or are at it"
	}
	if d.PendingBytes > 0 || d.Level0Files > 0 { // servers that do not tell it give 0
		text += fmt.Sprintf(", %s wait for it, at most %d files in level 0 of a replica", plan.Bytes(uint64(max(d.PendingBytes, 0))), d.Level0Files)
	}
	if d.Unknown > 0 {
		text += fmt.Sprintf(", %d do not tell", d.Unknown)
	}
	return text
}

func (d *debtRunner) run(ctx context.Context) error {
	// Under writes the debt goes up and down: only less than ever before is progress.
	least := Debt{PendingBytes: 1 << 62, Level0Files: 1 << 30, Running: 1 << 30, Unknown: 1 << 30}
	return d.awaitProgress(ctx, max(d.r.Waits.Files, d.r.Waits.Poll), CodeCompact, func(ctx context.Context) (sight, error) {
		out := sight{limit: d.r.Waits.Copying, causes: "look at the replica servers: compaction that is still held off (" + plan.EnvUsageScenario + "), a full or slow disk, more writes than it can keep up with"}
		debt, err := d.look(ctx)
		if err != nil {
			out.mark = fmt.Sprint(least)
			out.reason, err = tolerate(ctx, err)
			return out, err
		}
		least = Debt{PendingBytes: min(least.PendingBytes, debt.PendingBytes), Level0Files: min(least.Level0Files, debt.Level0Files),
			Running: min(least.Running, debt.Running), Unknown: min(least.Unknown, debt.Unknown)}
		out.over, out.mark, out.reason = debt.paid(), fmt.Sprint(least), debt.text()
		return out, nil
	})
}

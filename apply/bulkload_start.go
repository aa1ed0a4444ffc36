package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// loadBusy is how long another bulk load of the cluster is waited for: a cluster does one at a time.
const loadBusy = 2 * time.Hour

// begin looks at everything once more and starts a new load.
func (l *loadRunner) begin(ctx context.Context) error {
	if err := l.preflight(ctx); err != nil {
		return err
	}
	if err := l.clear(ctx); err != nil { // of an earlier one: what is told from here on is the new one's
		return err
	}
	var busy time.Time // when another load was seen last
	return l.await(ctx, loadBusy, CodeLoad, "a cluster does one bulk load at a time; the same command waits again",
		func(ctx context.Context) (bool, string, error) {
			others, err := l.otherLoads(ctx)
			if err != nil {
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			if len(others) > 0 {
				busy = l.r.Now()
				return false, fmt.Sprintf("%s loads %s: one load at a time", l.a.Target.Cluster, strings.Join(others, ", ")), nil
			}
			if reason, err := l.findLevel(ctx, busy); err != nil || reason != "" {
				return false, reason, err
			}
			return l.start(ctx)
		})
}

// start sends one start. It is over when the servers are known to load.
func (l *loadRunner) start(ctx context.Context) (over bool, reason string, err error) {
	if ctx.Err() != nil {
		return false, "", context.Cause(ctx)
	}
	before, err := l.r.loadMemory(l.id)
	if err != nil {
		return false, "", err
	}
	if err := l.rememberLoad(func(m *loadMemory) { m.Sent, m.Tried = true, true }); err != nil {
		return false, "", err
	}
	err = l.sendStart(ctx)
	if err == nil {
		return true, "", l.started()
	}
	if ctx.Err() != nil {
		return false, "", context.Cause(ctx)
	}
	if !errors.Is(err, ErrRefused) {
		under, look := l.turnsUp(ctx)
		if look != nil || under {
			return under, "", look
		}
		return false, "the load could not be started: " + err.Error(), nil
	}
	// An earlier request, whose answer was lost, may have started the load that stands in the way.
	s, look := l.loadStatus(ctx, l.a.Target)
	if look != nil {
		return false, "", look
	}
	if before.Sent && (s.Loading || s.Status != blsInvalid) {
		return true, "", l.started()
	}
	if !before.Sent {
		if err := l.rememberLoad(func(m *loadMemory) { m.Sent = false }); err != nil {
			return false, "", err
		}
	}
	if s.Loading {
		return false, "", l.foreign(s)
	}
	if strings.Contains(err.Error(), "ERR_BUSY") {
		return false, "the meta server is busy with something else of this kind: " + err.Error(), nil
	}
	return false, "", l.refused(err)
}

func (l *loadRunner) sendStart(ctx context.Context) error {
	ctx, cancel := l.call(ctx)
	defer cancel()
	return l.r.World.BulkLoads.StartBulkLoad(ctx, l.a)
}

func (l *loadRunner) started() error {
	return l.rememberLoad(func(m *loadMemory) { m.Sent, m.Started = true, l.r.Now() })
}

// turnsUp looks for the load of a request whose answer was lost: it may still be on its way.
func (l *loadRunner) turnsUp(ctx context.Context) (under bool, err error) {
	begun := l.r.Now()
	for {
		s, err := l.loadStatus(ctx, l.a.Target)
		if err != nil {
			return false, err
		}
		if s.Loading || s.Status != blsInvalid {
			return true, l.started()
		}
		if l.r.Now().Sub(begun) >= l.r.Waits.Call {
			return false, nil
		}
		if !pause(ctx, l.r.Waits.Poll) {
			return false, context.Cause(ctx)
		}
	}
}

func (l *loadRunner) otherLoads(ctx context.Context) ([]string, error) {
	ctx, cancel := l.call(ctx)
	defer cancel()
	list, err := l.r.World.BulkLoads.LoadsUnderway(ctx, l.a.Target.Cluster)
	return slices.DeleteFunc(slices.Clone(list), func(t string) bool { return t == l.a.Target.Table }), err
}

// preflight looks at what would make the load fail or hang, right before it.
func (l *loadRunner) preflight(ctx context.Context) error {
	s, err := l.target(ctx, l.a.Target)
	if err != nil {
		return err
	}
	if s.Partitions != l.a.Partitions {
		return l.cannot(fmt.Sprintf("%s has %d partitions, the files are for %d", l.a.Target, s.Partitions, l.a.Partitions),
			"`"+l.r.rollbackCommand()+"` and plan again")
	}
	if err := l.checkEnvs(s); err != nil {
		return err
	}
	if err := l.checkBehind(s); err != nil {
		return err
	}
	if err := l.checkDuplications(ctx); err != nil {
		return err
	}
	if err := l.checkStaging(ctx, s); err != nil {
		return err
	}
	return l.await(ctx, l.r.Waits.Healthy, CodeNeverHealthy, "a partition without all its replicas is not loaded; look at the replica servers of "+l.a.Target.Cluster,
		func(ctx context.Context) (bool, string, error) {
			h, err := l.healthOnce(ctx, l.a.Target)
			if err != nil {
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			return h.Partitions > 0 && h.Full >= h.Partitions, fmt.Sprintf("%d of %d partitions have all their replicas", h.Full, h.Partitions), nil
		})
}

func (b base) healthOnce(ctx context.Context, t plan.TableRef) (Health, error) {
	ctx, cancel := b.call(ctx)
	defer cancel()
	return b.r.World.Tables.Health(ctx, t)
}

func (l *loadRunner) cannot(text, hint string) error {
	return &StepError{Step: l.id, Code: CodeLoad, Text: text, Hint: hint}
}

// Envs that throttle writes: ingestion counts as one (replica_2pc.cpp, on_client_write).
const (
	envWriteThrottling     = "replica.write_throttling"
	envWriteThrottlingSize = "replica.write_throttling_by_size"
)

// checkEnvs: a fenced target lets no ingestion in, a throttled one lets it in late.
func (l *loadRunner) checkEnvs(s TableState) error {
	if deniesWrites(marker.PriorOf(s.Envs, plan.EnvDeny)) {
		return l.cannot(fmt.Sprintf("%s denies writes (%s = %s): files would never be ingested", l.a.Target, plan.EnvDeny, s.Envs[plan.EnvDeny]),
			fmt.Sprintf("in the shell of cluster %s: use %s; del_app_envs %s; then run the same command again", l.a.Target.Cluster, l.a.Target.Table, plan.EnvDeny))
	}
	for _, key := range []string{envWriteThrottling, envWriteThrottlingSize} {
		if v := s.Envs[key]; v != "" {
			l.warn(CodeLoad, fmt.Sprintf("%s is throttled (%s = %s): ingestion counts as a write and may be delayed or refused", l.a.Target, key, v),
				"take it off for the time of the load if it gets stuck")
		}
	}
	return nil
}

// checkBehind: ingest_behind needs a RocksDB that was created for it. The env alone proves nothing, as
// it can be set later, passes the meta server's check then, and makes the ingestion fail.
func (l *loadRunner) checkBehind(s TableState) error {
	if !l.a.IngestBehind {
		return nil
	}
	const key = schema.EnvAllowIngestBehind
	for _, step := range l.r.Plan.Steps {
		c, ok := step.Action.(plan.CreateTable)
		if !ok || c.Table != l.a.Target {
			continue
		}
		memory, err := l.r.created(step.ID)
		if err != nil {
			return err
		}
		if memory.ID != s.ID || c.Envs[key] != "true" {
			break
		}
		if s.Envs[key] != "true" {
			return l.cannot(fmt.Sprintf("%s lost its env %s: the meta server refuses the load", l.a.Target, key),
				"`"+l.r.rollbackCommand()+"` drops the table; then apply again. Do not set the env again: servers of 2.5 then keep every env beside the replica, and die of default_ttl there when they start (replica_config.cpp)")
		}
		m, err := l.r.loadMemory(l.id)
		if err != nil || len(m.Behind) == 0 {
			return err
		}
		return l.cannot(fmt.Sprintf("%s of %s, %v, may have taken files of a load that failed; RocksDB takes no second file behind the same keys",
			plan.Counted(uint64(len(m.Behind)), "partition"), l.a.Target, firstN(m.Behind, 8)),
			"`"+l.r.rollbackCommand()+"` drops the table; then apply again")
	}
	return l.cannot(fmt.Sprintf("%s was not created with %s = true by this run: its replicas would refuse the ingestion, whatever the env says now", l.a.Target, key),
		"`"+l.r.rollbackCommand()+"`, and let the migration create the table")
}

// checkDuplications: what is loaded is not duplicated, and a server of 2.4 or 2.5 that duplicates the
// table may crash of it (#2100).
func (l *loadRunner) checkDuplications(ctx context.Context) error {
	list, err := l.duplications(ctx, l.a.Target)
	if err != nil || len(list) == 0 {
		return err
	}
	return l.cannot(fmt.Sprintf("%s is duplicated to %s (duplication %d): loaded rows would not be shipped, and servers of 2.4 and 2.5 may crash", l.a.Target, list[0].Remote, list[0].ID),
		fmt.Sprintf("in the shell of cluster %s: remove_dup %s %d; then run the same command again", l.a.Target.Cluster, l.a.Target.Table, list[0].ID))
}

// checkStaging: the files name the table that they are for by its app id.
func (l *loadRunner) checkStaging(ctx context.Context, s TableState) error {
	id, exists, err := l.staged(ctx, l.a.Staging)
	switch {
	case err != nil:
		return err
	case !exists, id == 0:
		return l.cannot("the files to load are not complete in "+stagingDir(l.a.Staging), "`"+l.r.rollbackCommand()+"` and apply again: they are made anew")
	case id != s.ID:
		return l.cannot(fmt.Sprintf("the files in %s are for the table with id %d, %s has id %d", stagingDir(l.a.Staging), id, l.a.Target, s.ID),
			"`"+l.r.rollbackCommand()+"` and apply again: they are made anew")
	}
	return nil
}

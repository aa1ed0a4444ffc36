package apply_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/plan"
)

type fakeTables struct{ w *fakeWorld }

func (f fakeTables) Table(ctx context.Context, ref plan.TableRef) (s apply.TableState, err error) {
	err = f.w.around(ctx, call{name: "Table", table: ref}, func() error {
		t, err := f.w.find(ref)
		if err == nil {
			s = apply.TableState{ID: t.id, Status: "AVAILABLE", Partitions: t.partitions, Replicas: t.replicas, Envs: maps.Clone(t.envs),
				CreatedAt: t.created.Truncate(time.Second)}
		}
		return err
	})
	return s, err
}

func (f fakeTables) HighestID(ctx context.Context, cluster string) (id int32, err error) {
	err = f.w.around(ctx, call{name: "HighestID", table: plan.TableRef{Cluster: cluster}}, func() error {
		id = f.w.clusters[cluster].nextID - 1
		return nil
	})
	return id, err
}

func (f fakeTables) CreateTable(ctx context.Context, spec plan.CreateTable) (id int32, err error) {
	did := false
	err = f.w.around(ctx, call{name: "CreateTable", table: spec.Table, changes: true}, func() error {
		if t, err := f.w.find(spec.Table); err == nil {
			return fmt.Errorf("ERR_APP_EXIST (id %d): %w", t.id, apply.ErrRefused)
		}
		id, did = f.w.create(spec).id, true
		return nil
	})
	if err != nil && did {
		return 0, fmt.Errorf("%w: %w", apply.ErrOutcomeUnknown, err)
	}
	return id, err
}

func (f fakeTables) DropTable(ctx context.Context, ref plan.TableRef, _ time.Duration) error {
	did := false
	err := f.w.around(ctx, call{name: "DropTable", table: ref, changes: true}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return fmt.Errorf("ERR_APP_NOT_EXIST: %w", apply.ErrRefused)
		}
		c := f.w.clusters[ref.Cluster]
		t.gone = true
		delete(c.tables, ref.Table)
		c.dropped = append(c.dropped, t.id)
		did = true
		return nil
	})
	if err != nil && did {
		return fmt.Errorf("%w: %w", apply.ErrOutcomeUnknown, err)
	}
	return err
}

func (f fakeTables) SetEnvs(ctx context.Context, ref plan.TableRef, envs map[string]string) error {
	keys := slices.Sorted(maps.Keys(envs))
	for _, k := range keys {
		if strings.HasPrefix(k, "duplication.") { // taken only by DEL
			return fmt.Errorf("app_env %q is not supported: %w", k, apply.ErrRefused)
		}
	}
	return f.w.around(ctx, call{name: "SetEnvs", table: ref, detail: fmt.Sprint(" ", keys), changes: true}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return fmt.Errorf("ERR_INVALID_PARAMETERS: %w", apply.ErrRefused)
		}
		maps.Copy(t.envs, envs)
		t.spread()
		if _, ok := envs[plan.EnvDeny]; ok {
			f.w.denied = append(f.w.denied, true)
		}
		return nil
	})
}

func (f fakeTables) DeleteEnvs(ctx context.Context, ref plan.TableRef, keys []string) error {
	return f.w.around(ctx, call{name: "DeleteEnvs", table: ref, detail: fmt.Sprint(" ", keys), changes: true}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return fmt.Errorf("ERR_INVALID_PARAMETERS: %w", apply.ErrRefused)
		}
		for _, k := range keys {
			delete(t.envs, k)
		}
		t.spread()
		if slices.Contains(keys, plan.EnvDeny) {
			f.w.denied = append(f.w.denied, false)
		}
		return nil
	})
}

func (f fakeTables) Health(ctx context.Context, ref plan.TableRef) (h apply.Health, err error) {
	err = f.w.around(ctx, call{name: "Health", table: ref}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		h = apply.Health{Partitions: len(t.parts)}
		for _, p := range t.parts {
			switch {
			case !t.open(p, f.w.now) || f.w.clusters[ref.Cluster].crashing():
				h.NoPrimary++
			case !f.w.now.Before(t.healthy):
				h.Full++
			}
		}
		return nil
	})
	return h, err
}

type fakeFences struct{ w *fakeWorld }

func (f fakeFences) Probe(ctx context.Context, ref plan.TableRef, partitions []int32) (out []apply.Probe, err error) {
	err = f.w.around(ctx, call{name: "Probe", table: ref}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		for _, i := range partitions {
			p := t.parts[i]
			probe := probeOf(t, i, p.denies())
			if probe.Verdict == apply.Accepted { // the delete was a write
				p.mutate(time.Now(), fakeMutation{Kind: probeWrite})
			}
			out = append(out, probe)
		}
		return nil
	})
	return out, err
}

func (f fakeFences) ProbeTTL(ctx context.Context, ref plan.TableRef) (stamped []int32, err error) {
	err = f.w.around(ctx, call{name: "ProbeTTL", table: ref}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		for i, p := range t.parts {
			if p.denies() {
				return errDenied
			}
			if !t.open(p, f.w.now) {
				return fmt.Errorf("partition %d has no primary", i)
			}
			p.drain(t, f.w.now)
			if p.ttl() != "0" {
				stamped = append(stamped, int32(i))
			}
			for range 2 { // the row, and its delete
				p.mutate(time.Now(), fakeMutation{Kind: emptyWrite})
			}
		}
		return nil
	})
	return stamped, err
}

func (f fakeFences) Decrees(ctx context.Context, ref plan.TableRef) (out []apply.Decree, err error) {
	f.w.standStill()
	err = f.w.around(ctx, call{name: "Decrees", table: ref}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		for i, p := range t.parts {
			if !t.open(p, f.w.now) {
				return fmt.Errorf("partition %d has no primary", i)
			}
			p.drain(t, f.w.now)
			out = append(out, apply.Decree{Partition: int32(i), Primary: fmt.Sprintf("node%d", p.primary), Ballot: p.ballot,
				Prepared: p.prepared, Committed: p.committed(time.Now())})
		}
		return nil
	})
	return out, err
}

func (f fakeFences) SyncInterval(ctx context.Context, cluster string) (time.Duration, error) {
	err := f.w.around(ctx, call{name: "SyncInterval", table: plan.TableRef{Cluster: cluster}}, func() error { return nil })
	return syncInterval, err
}

func (f fakeFences) ProbeRead(ctx context.Context, ref plan.TableRef, partitions []int32) (out []apply.Probe, err error) {
	err = f.w.around(ctx, call{name: "ProbeRead", table: ref}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		for _, i := range partitions {
			out = append(out, probeOf(t, i, t.parts[i].deniesReads(time.Now())))
		}
		return nil
	})
	return out, err
}

// probeOf is what a partition's primary answers.
func probeOf(t *fakeTable, i int32, denied bool) apply.Probe {
	p := t.parts[i]
	probe := apply.Probe{Partition: i, Primary: fmt.Sprintf("node%d", p.primary), Ballot: p.ballot, At: time.Now(),
		Verdict: apply.Accepted, Detail: "a delete was accepted"}
	switch {
	case p.silent || !t.open(p, time.Now()):
		probe.Verdict, probe.Detail = apply.Unclear, "no answer"
	case denied:
		probe.Verdict, probe.Detail = apply.Rejected, "ERR_INVALID_STATE"
	}
	return probe
}

package main

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// migrated is what must be true after a migration that ended well.
func (r *round) migrated() error {
	source := maps.Clone(r.s.sourceEnvs)
	if r.s.after == "keep_fenced" {
		source[deny] = "reconfig*write"
	}
	return errors.Join(
		envsAre(r.a, source),
		envsAre(r.b, r.wantEnvs()),
		r.sameRows(),
		r.bystanders(),
		r.tables(true),
	)
}

// untouched is what must be true after a rollback.
func (r *round) untouched() error {
	err := errors.Join(envsAre(r.a, r.s.sourceEnvs), r.bystanders(), r.tables(r.s.existing != ""))
	if r.s.existing != "" {
		err = errors.Join(err, envsAre(r.b, r.s.targetEnvs))
		for key := range dumpOf(r.b, "t") {
			if strings.Contains(key, "pegmigrate.probe.") {
				err = errors.Join(err, fmt.Errorf("a row of a probe is left on the target: %q", key))
			}
		}
	}
	return err
}

// wantEnvs is what the target must carry in the end.
func (r *round) wantEnvs() map[string]string {
	want := maps.Clone(r.s.targetEnvs)
	for key, value := range r.s.sourceEnvs {
		switch key {
		case deny, "manual_compact.once.trigger_time":
		case "business.info":
			if r.s.existing == "" {
				want[key] = value
			}
		case "rocksdb.allow_ingest_behind":
			if r.s.existing == "" {
				want[key] = value
			}
		default:
			want[key] = value
		}
	}
	maps.Copy(want, r.s.declared)
	return want
}

func envsAre(c *sandbox.Cluster, want map[string]string) error {
	got, err := c.TableEnvs("t")
	if err != nil {
		return err
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("envs of t (-want +got):\n%s", diff)
	}
	return nil
}

// bystanders must hold what they held.
func (r *round) bystanders() error {
	a, b := dumpOf(r.a, "bystander"), dumpOf(r.b, "bystander")
	if len(a) == 0 || !maps.Equal(a, b) {
		return errors.New("a table that has nothing to do with it was changed")
	}
	return nil
}

// tables looks at the target cluster's list: one table per attempt, and no other.
func (r *round) tables(there bool) error {
	cluster, err := pegasus.Open(r.ctx, pegasus.Config{Name: "b", MetaServers: r.b.MetaServers()})
	if err != nil {
		return err
	}
	defer cluster.Close()
	list, err := cluster.ListTables(r.ctx)
	if err != nil {
		return err
	}
	alive, dropped := 0, 0
	for _, info := range list {
		switch {
		case info.Name == "bystander" && info.Status == "AVAILABLE":
		case info.Name == "t" && info.Status == "AVAILABLE":
			alive++
		case info.Name == "t" && info.Status == "DROPPED" && r.s.existing == "" && r.s.ending != endApply:
			dropped++
		default:
			err = errors.Join(err, fmt.Errorf("the target cluster has table %+v", info))
		}
	}
	if want := map[bool]int{true: 1}[there]; alive != want || dropped > 1 {
		err = errors.Join(err, fmt.Errorf("the target cluster has %d tables t and %d dropped ones, want %d", alive, dropped, want))
	}
	return err
}

// value is a dumped row without its expiry.
func value(row string) string {
	_, value, _ := strings.Cut(row, " ")
	return value
}

// sameRows compares source and target. What writers wrote is judged by what they were told.
func (r *round) sameRows() error {
	target, source := dumpOf(r.b, "t"), dumpOf(r.a, "t")
	var wrong []string
	complain := func(key, format string, args ...any) {
		hash, sort := scan.PrintableKey([]byte(key))
		wrong = append(wrong, fmt.Sprintf("%s %s: ", hash, sort)+fmt.Sprintf(format, args...))
	}
	short := func(row string) string { return fmt.Sprintf("%.40q of %d", row, len(row)) }
	for key, want := range source {
		got, there := target[key]
		switch {
		case there && got == want, over(want) && !there:
		case isChronicled(key) && (!there || value(got) != value(want)): // judged below
		case !there:
			complain(key, "missing on the target, is %s", short(want))
		default:
			complain(key, "is %s, want %s", short(got), short(want))
		}
	}
	for key, got := range target {
		_, there := source[key]
		if !there && !isChronicled(key) && !over(got) && r.before[key] != got {
			complain(key, "extra on the target: %s", short(got))
		}
	}
	if r.writers != nil {
		r.mu.Lock()
		cut := r.cut
		r.mu.Unlock()
		r.writers.judge(cut, target, complain)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d rows are wrong, of %d on the source and %d on the target:\n%s", len(wrong), len(source), len(target),
			strings.Join(wrong[:min(10, len(wrong))], "\n"))
	}
	return nil
}

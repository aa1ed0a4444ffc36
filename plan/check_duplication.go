package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/schema"
)

// checkDuplication is everything that can be known before a duplication is added: it cannot be taken
// back without a trace, and the worst mistakes kill servers.
func (b *builder) checkDuplication(method *schema.DuplicationMethod) {
	d := b.f.Duplication
	if d == nil {
		b.checks.fail(CodeDupUnread, b.atMethod(), "this is a mistake of pegmigrate: report it", "nothing was observed about duplications")
		return
	}
	b.checkDupServers(d)
	if b.takenByARun() {
		// What is in the way is that run's: its fence, its duplication and its route look like mistakes
		// here, and whoever mended them by hand would open the source behind its back.
		return
	}
	b.checkDupTarget(d)
	b.checkDupShape(d)
	b.checkDupSource(d)
	b.checkDupEnvs()
	b.checkPermanentRows()
	b.checkDupRows(d)
	b.checkWindow()
	b.checkRoute(method, d)
	b.checkReturn(method, d)
	b.checkChoices(method)
}

// takenByARun says that the source's marker was refused: another run is at work, or one whose state is
// lost.
func (b *builder) takenByARun() bool {
	return slices.ContainsFunc(b.checks.list, func(c Check) bool {
		return c.Severity == Error && (c.Code == CodeForeignMarker || c.Code == CodeLostState)
	})
}

// checkDupTarget: 2.4 and 2.5 ask for the follower for ever when a table of its name exists.
func (b *builder) checkDupTarget(d *DuplicationFacts) {
	place := b.place(b.m.Target.Range)
	t := b.f.TargetTable
	if t == nil {
		b.checks.ok("%s is absent and will be created by the servers", b.target)
		if d.TargetDropped {
			b.checks.ok("a dropped table of that name can still be recalled on %s, from now on only under another name", b.target.Cluster)
		}
		if d.SameID != "" {
			b.checks.warn(CodeSameID, place, "stop or watch Java clients at the switch; a cluster on which no table has that id is safe",
				"%s/%s has the app id %d of %s: a Java client that repeats an operation begun before the switch sends it with the old id, and it may be taken by that table",
				b.target.Cluster, d.SameID, b.f.SourceTable.ID, b.source)
		}
		b.checkDisk(place)
		return
	}
	if t.Marker != nil {
		before := len(b.checks.list)
		if b.checkMarker(t, b.target, place); len(b.checks.list) > before {
			return // nobody should be told to drop it
		}
	}
	state := fmt.Sprintf("exists (id %d)", t.ID)
	if t.Status != "AVAILABLE" {
		state = fmt.Sprintf("exists (id %d, %s)", t.ID, strings.ToLower(t.Status))
	}
	b.checks.fail(CodeDupTargetExists, place, "drop or rename it, or use method \"copy\", which can write into a table that exists",
		"%s %s: the servers create the follower themselves, and a duplication to an existing table never gets out of DS_PREPARE", b.target, state)
	if len(d.TargetEntries) > 0 {
		b.checks.warn(CodeDupOther, place, "look at it with `pegmigrate doctor` before it is dropped", "%s is duplicated itself, to %s", b.target,
			d.TargetEntries[0].Remote)
	}
}

// checkDupShape compares the declared shape with what the servers give a follower.
func (b *builder) checkDupShape(d *DuplicationFacts) {
	place, src := b.place(b.m.Target.Range), b.f.SourceTable
	old := oldest(b.f.Source) < 6 || !d.RemoteNames
	if b.partitions != src.Partitions {
		b.checks.fail(CodeDupPartitions, place, "leave partition_count out; methods \"copy\" and \"backup_bulk_load\" can change the count",
			"%s has %d partitions, declared are %d: a duplication between unequal counts puts rows where no client finds them",
			b.source, src.Partitions, b.partitions)
	}
	if old && b.target.Table != b.source.Table {
		b.checks.fail(CodeDupName, place, "leave table out, or use method \"copy\"",
			"servers before 2.6 give the follower the source's name and ignore %q silently", b.target.Table)
	}
	if old && b.replicas != src.Replicas {
		b.checks.fail(CodeDupName, place, "leave replica_count out and change it afterwards (shell: set_max_replica_count)",
			"servers before 2.6 give the follower the source's %d replicas and ignore %d silently", src.Replicas, b.replicas)
	}
	if old && b.replicas == 1 {
		b.checks.fail(CodeDupReplicas, place, "give the source a second replica first, or use method \"copy\"",
			"servers before 2.6 wait for ever for a follower of one replica (DS_APP)")
	}
	b.checkReplicas(place)
}

// checkReplicas holds the follower's replica count against what the target can do.
func (b *builder) checkReplicas(place string) {
	if alive := b.f.Target.Alive(); int(b.replicas) > alive {
		b.checks.fail(CodeReplicasOverNodes, place, "bring more replica servers up",
			"%s would have %d replicas, but %s has %s alive; the duplication would stay in DS_PREPARE for ever", b.target, b.replicas, b.f.Target.Label, plural(alive, "replica server"))
	}
	if limit := b.f.Target.MaxReplicaCount; limit > 0 && b.replicas > limit {
		b.checks.fail(CodeReplicasOverLimit, place, "raise [meta_server] max_allowed_replica_count there",
			"%s would have %d replicas, but %s allows at most %d; the duplication would stay in DS_PREPARE for ever", b.target, b.replicas, b.f.Target.Label, limit)
	}
}

// checkDupSource looks at what else is under way on the source.
func (b *builder) checkDupSource(d *DuplicationFacts) {
	place := b.place(b.m.Source.Range)
	for _, e := range d.Entries {
		b.checks.fail(CodeDupOther, place, fmt.Sprintf("when nobody needs it, in the shell: remove_dup %s %d", b.source.Table, e.ID),
			"%s is being duplicated to %s already (id %d, %s)", b.source, e.Remote, e.ID, e.Status)
	}
	// A batch that ends with one loses also the writes of clients before it (pegasus_mutation_duplicator.cpp,
	// duplicate, goes on before it sends).
	if d.ArrivingQPS > 0 {
		b.checks.fail(CodeDupOther, place, "end the duplication that ships into it first, or migrate the table where its writes begin",
			"another cluster's duplication ships %.1f writes per second into %s: servers do not ship these on, and drop writes of clients that lie beside them in the log",
			d.ArrivingQPS, b.source)
	}
	if n := len(d.EmptyPartitions); n > 0 && oldest(b.f.Source) < 6 {
		b.checks.fail(CodeDupEmpty, place, "write two rows into each of them that stay until the follower is healthy, or use method \"copy\"",
			"%d of %d partitions of %s hold no row, among them %s: servers before 2.6 have no checkpoint of them, and the follower never opens",
			n, b.f.SourceTable.Partitions, b.source, firstOf(d.EmptyPartitions, 5))
	}
	if d.NonIdempotentQPS > 0 {
		hint := "change these clients first, or use method \"copy\" with source_writes = \"fenced\""
		if oldest(b.f.Source) >= 6 {
			hint += "; 2.6 takes them on a table that is atomic_idempotent"
		}
		b.checks.fail(CodeNonIdempotent, place, hint,
			"clients do incr, check_and_set or check_and_mutate on %s (%.1f per second): these are rejected from the moment the duplication exists",
			b.source, d.NonIdempotentQPS)
	} else {
		b.checks.ok("no incr, check_and_set or check_and_mutate is seen on %s; they would be rejected", b.source)
	}
}

// checkDupEnvs: the follower is created with a clone of the source's envs.
func (b *builder) checkDupEnvs() {
	place, envs := b.place(b.m.Source.Range), b.f.SourceTable.Envs
	if v := envs[EnvDeny]; v != "" {
		b.checks.fail(CodeDupEnv, place, "take it off before (shell: del_app_envs "+EnvDeny+")",
			"%s carries %s=%s: the follower would be created with it and take nothing in", b.source, EnvDeny, v)
	}
	if v := envs[EnvUsageScenario]; v == "bulk_load" {
		b.checks.fail(CodeDupEnv, place, "set it to normal before (shell: set_app_envs "+EnvUsageScenario+" normal)",
			"%s carries %s=%s: the follower would never compact", b.source, EnvUsageScenario, v)
	}
	for _, k := range sortedKeys(envs) {
		switch {
		case strings.Contains(k, "throttling"):
			hint := "raise it on the source for as long as this takes, or declare another value for the target, which it gets once it is healthy"
			if _, declared := b.m.Target.Envs[k]; declared {
				hint = "the declared value comes only once the follower is healthy"
			}
			b.checks.warn(CodeDupThrottled, place, hint,
				"%s carries %s=%s: the follower is created with it, and what is shipped counts there as clients' writes", b.source, k, envs[k])
		case strings.HasPrefix(k, "duplication."):
			b.checks.fail(CodeDupEnv, place, "when the duplication that made it is gone: del_app_envs "+k+" in the shell",
				"%s carries %s=%s: it is or was a follower itself; what reaches it by duplication is not shipped on, and its own follower would inherit the env",
				b.source, k, envs[k])
		case strings.HasPrefix(k, "restore."):
			b.checks.fail(CodeDupEnv, place, "take it off before (shell: del_app_envs "+k+")",
				"%s carries %s=%s, left by a restore: the servers of the follower would try to restore it", b.source, k, envs[k])
		}
	}
	b.checkCreateEnvs(place)
	b.checkParked(place)
}

// checkCreateEnvs: creating a table, a meta looks at the values of these two envs only, and refuses the
// follower for ever when one is out of range (app_env_validator.cpp, validate_app_envs).
func (b *builder) checkCreateEnvs(place string) {
	for _, k := range []string{EnvNumLevels, "rocksdb.write_buffer_size"} {
		v, has := b.f.SourceTable.Envs[k]
		spec, known := schema.LookupEnv(k)
		if !has || !known {
			continue
		}
		if err := spec.Validate(v); err != nil {
			b.checks.fail(CodeDupEnv, place, "give it a value in range, or take it off (shell: del_app_envs "+k+")",
				"%s carries %s=%s, and %v: the target's meta would refuse the follower, again and again", b.source, k, v, err)
		}
	}
}

// checkParked: what is taken off has to be something that can be set again.
func (b *builder) checkParked(place string) {
	parked, good := b.parkedKeys(), 0
	known := schema.Envs()
	for _, k := range parked {
		v, why := b.f.SourceTable.Envs[k], "servers do not know it"
		if i := slices.IndexFunc(known, func(s schema.EnvSpec) bool { return s.Key == k }); i >= 0 {
			why = ""
			if err := known[i].Validate(v); err != nil {
				why = err.Error()
			}
		}
		if why == "" {
			good++
			continue
		}
		b.checks.fail(CodeDupEnv, place, "mend it, or take it off (shell: del_app_envs "+k+"), before",
			"%s carries %s=%s (%s): it would crash the servers of %s at the follower's creation, and once taken off no meta would let it be set again",
			b.source, k, v, why, b.target.Cluster)
	}
	if good > 0 && good == len(parked) {
		b.checks.ok("%s would crash the servers of %s at the follower's creation; taken off before, put back after",
			strings.Join(parked, ", "), b.target.Cluster)
	}
}

// checkPermanentRows: a default_ttl that only the target has stamps rows that are to stay.
func (b *builder) checkPermanentRows() {
	ttl, declared := b.m.Target.Envs[EnvDefaultTTL]
	if !declared || ttl == "" || ttl == "0" || ttlInForce(b.f.SourceTable.Envs) || !b.f.SourceTable.PermanentRows {
		return
	}
	b.checks.warn(CodeTTLStamps, b.place(b.m.Target.Range), "leave default_ttl out if they must stay for ever",
		"%s has rows without expiry, and the target gets default_ttl=%s: writes that arrive and compaction are stamped with it", b.source, ttl)
}

// checkChoices warns of guarantees that the declaration gives up.
func (b *builder) checkChoices(method *schema.DuplicationMethod) {
	loud := func(code, place, hint, format string, args ...any) {
		b.checks.list = append(b.checks.list, Check{Code: code, Severity: Warning, Loud: true, Place: place, Hint: hint, Text: fmt.Sprintf(format, args...)})
	}
	if b.m.Verify.Mode == schema.VerifyOff {
		loud(CodeVerifyOff, b.atVerify(), "leave the verify block out for a live comparison",
			"verify is off: the drain is proven by decrees, but nothing compares the rows of the checkpoint")
	}
	switch method.FailMode {
	case schema.FailSkip:
		loud(CodeDupFailMode, b.atMethod(), "leave fail_mode out: \"slow\" waits for you instead",
			"fail_mode = \"skip\": the source leaves out writes whose log blocks are damaged, and they are missing on the target")
	case schema.FailFast:
		loud(CodeDupFailMode, b.atMethod(), "leave fail_mode out: \"slow\" waits for you instead",
			"fail_mode = \"fast\": a server of the source that finds a damaged log block kills itself, with all tables that it serves")
	}
	if b.m.After.Source == schema.AfterUnfence {
		loud(CodeUnfenced, b.atAfter(), "after.source = \"keep_fenced\" keeps it shut until you drop it",
			"after.source = \"unfence\": a client that still knows the way to %s writes there afterwards, and nowhere else", b.source)
	}
}

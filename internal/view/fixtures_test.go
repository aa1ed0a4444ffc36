package view

import (
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
)

func ref(cluster string) plan.TableRef { return plan.TableRef{Cluster: cluster, Table: "orders"} }

// stoppedPlan is a copy onto an absent target, as an operator sees it first.
func stoppedPlan() *plan.Plan {
	move := plan.Estimate{Duration: 5*time.Hour + 40*time.Minute, Low: 2*time.Hour + 16*time.Minute, High: 17 * time.Hour,
		Rows: 812_000_000, Bytes: 1_319_413_953_331}
	compare := plan.Estimate{Duration: 2 * time.Hour, Low: 48 * time.Minute, High: 6 * time.Hour, Rows: 812_000_000, Bytes: 1_319_413_953_331}
	steps := []plan.Step{
		{ID: "own", Action: plan.Own{Source: ref("east"), Target: ref("west")}, Undo: plan.Disown{Source: ref("east")},
			Why: "mark east/orders as being migrated, around the text in its business.info"},
		{ID: "create-target", Action: plan.CreateTable{Table: ref("west"), Partitions: 64, Replicas: 3},
			Undo: plan.DropTable{Table: ref("west")}, Why: "64 partitions x 3, other envs follow once it is healthy"},
		{ID: "await-target", Action: plan.AwaitHealthy{Table: ref("west"), Replicas: 3},
			Why:      "all 64 partitions have a primary and 2 secondaries",
			Estimate: plan.Estimate{Duration: 30 * time.Second, Low: 10 * time.Second, High: 90 * time.Second}},
		{ID: "carry-envs", Action: plan.SetEnvs{Table: ref("west")}, Undo: plan.RestoreEnvs{Table: ref("west"), Keys: []string{"rocksdb.usage_scenario"}},
			Why: "same behaviour as the source: replica.slow_query_threshold=30, rocksdb.usage_scenario=normal"},
		{ID: "copy", Action: plan.Copy{Source: ref("east"), Target: ref("west"), SourceWrites: "stopped"},
			Why: "64 source partitions, absolute expiry kept", Estimate: move},
		{ID: "verify", Action: plan.Verify{Source: ref("east"), Target: ref("west"), Mode: "full"},
			Why: "every row of both tables: key, value, expiry, partition", Estimate: compare},
		{ID: "late-envs", Action: plan.SetEnvs{Table: ref("west")},
			Why: "default_ttl=86400; only now, because they would change or slow the copied rows"},
		{ID: "disown", Action: plan.Disown{Source: ref("east"), Target: ref("west")},
			Why: "take the ownership marker out of business.info", Final: true},
	}
	return &plan.Plan{
		FormatVersion: plan.FormatVersion, ToolVersion: "0.1.0", ID: "3f9c1a2be7d04c55aa", Migration: "orders", Method: "copy",
		ConfigFingerprint: "7d10aa55fe", IdentityFingerprint: "11aa22bb33",
		Source: plan.Endpoint{TableRef: ref("east"), ClusterName: "onebox", Exists: true, ID: 12, Partitions: 64, Replicas: 3,
			Rows: 812_000_000, Bytes: 1_319_413_953_331},
		Target:   plan.Endpoint{TableRef: ref("west"), ClusterName: "twobox", Partitions: 64, Replicas: 3},
		Clients:  "nothing is rejected; writers must be stopped by you, from now until the copy is verified",
		Return:   "every step can be undone until step 8",
		Estimate: plan.Estimate{Duration: 7*time.Hour + 40*time.Minute, Low: 3 * time.Hour, High: 23 * time.Hour, Rows: 812_000_000},
		Checks: []plan.Check{
			{Severity: plan.OK, Text: "both clusters answer, 2.5.0 on all 9 nodes"},
			{Code: plan.CodeWritersStopped, Severity: plan.Warning, Place: "migration.hcl:24,3",
				Text: "source_writes = \"stopped\" is your promise that nobody writes to east/orders; a second digest of it after the copy must equal the first",
				Hint: "declare source_writes = \"fenced\" for a guarantee"},
			{Severity: plan.OK, Text: "data version 1 on all 192 replicas of east/orders"},
			{Severity: plan.OK, Text: "west/orders is absent and will be created"},
		},
		Steps: steps,
		Facts: []plan.Fact{{Name: "source.table", Value: "present"}, {Name: "target.table", Value: "absent"}},
	}
}

// fencedPlan stops clients, has gates, and fills a table that is there and empty.
func fencedPlan() *plan.Plan {
	p := stoppedPlan()
	p.Clients = "writes to the source rejected about 24 s (15 s to 43 s, budget 90 s) from step 4 to 9; reads go on"
	p.Target.Exists, p.Target.ID = true, 3
	p.Facts = append(p.Facts, plan.Fact{Name: "target.table.has_rows", Value: "false"})
	sync := plan.Estimate{Duration: 5 * time.Second, High: 10 * time.Second}
	fence := []plan.Step{
		{ID: "approve-copy", Action: plan.Approve{Gate: "copy"}, Why: `gate "copy", before any row moves`, Gate: "copy"},
		{ID: "fence-source", Action: plan.Fence{Table: ref("east"), Mode: plan.FenceMode}, Undo: plan.LiftFence{Table: ref("east")},
			Why:    "deny writes on east/orders (reconfig*write), proven on 64 partitions",
			Impact: "writes to east/orders are rejected from here on; reads go on", Estimate: sync},
		{ID: "quiesce-source", Action: plan.Quiesce{Table: ref("east")}, Why: "every write that was accepted before the fence is committed"},
	}
	lift := plan.Step{ID: "unfence-source", Action: plan.LiftFence{Table: ref("east")},
		Why: "give replica.deny_client_request its prior value back", Impact: "writes are accepted again on every partition, one config sync later", Estimate: sync}
	steps := append([]plan.Step{p.Steps[0], p.Steps[2]}, fence...)
	steps = append(steps, p.Steps[4:7]...)
	p.Steps = append(steps, lift, p.Steps[7])
	return p
}

// refusedPlan has errors, a warning that gave up a guarantee, and no steps.
func refusedPlan() *plan.Plan {
	p := stoppedPlan()
	p.Migration = "the-orders-of-the-north-eastern-shops"
	p.Steps, p.Estimate, p.Clients, p.Return = nil, plan.Estimate{}, "", ""
	p.Target = plan.Endpoint{TableRef: ref("west"), Exists: true, ID: 7, Partitions: 64, Replicas: 3, Rows: 1234, Bytes: 5678}
	p.Checks = append(p.Checks,
		plan.Check{Code: plan.CodeTargetHasRows, Severity: plan.Error, Place: "migration.hcl:17,3",
			Text: "west/orders exists (id 7) and has rows (about 1234)", Hint: "drop it, name another target table, or declare if_exists = \"merge\""},
		plan.Check{Code: plan.CodeWritersAccepted, Severity: plan.Warning, Loud: true, Place: "migration.hcl:24,3",
			Text: "source_writes = \"accepted\": writes to east/orders during the copy may be missing on the target",
			Hint: "only source_writes = \"fenced\" proves that nothing is lost"},
		plan.Check{Code: plan.CodeForeignMarker, Severity: plan.Error,
			Text: "east/orders is being migrated by mallory\x1b[2J@host since 2026-11-20T10:00:00Z (migration \"x\", lineage y)"},
	)
	return p
}

// underwayPlan is half-way through its copy.
func underwayPlan() *plan.Plan {
	p := fencedPlan()
	p.Progress = &plan.Progress{StepsDone: 5, StepsAll: 10, Serial: 41, Next: "copy", PartitionsCopied: 12, PartitionCount: 64, RowsCopied: 152_250_113}
	return p
}

func finishedPlan() *plan.Plan {
	p := stoppedPlan()
	p.Steps = nil
	p.Target.Exists, p.Target.ID, p.Target.Rows, p.Target.Bytes = true, 9, 811_000_000, 1_300_000_000_000
	p.Progress = &plan.Progress{StepsDone: 8, StepsAll: 8, Finished: true}
	return p
}

package plan_test

import (
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// orders is the declaration that most tests start from.
func orders() *schema.Migration {
	east := &schema.Cluster{Label: "east", MetaServers: []string{"10.0.0.1:34601"}}
	west := &schema.Cluster{Label: "west", MetaServers: []string{"10.1.0.1:34601"}}
	return &schema.Migration{
		Name:                "orders",
		Source:              schema.Source{Cluster: east, Table: "orders"},
		Target:              schema.Target{Cluster: west, Table: "orders", IfExists: schema.IfExistsFail},
		Method:              &schema.CopyMethod{SourceWrites: schema.SourceWritesFenced},
		Verify:              schema.Verify{Mode: schema.VerifyFull},
		After:               schema.After{Source: schema.AfterUnfence},
		Fingerprint:         "config",
		IdentityFingerprint: "identity",
	}
}

// facts are of a healthy source and an absent target.
func facts() plan.Facts {
	return plan.Facts{
		Source:      cluster("east", "10.0.0"),
		Target:      cluster("west", "10.1.0"),
		SourceTable: table(12, 64),
	}
}

func cluster(label, net string) plan.ClusterFacts {
	c := plan.ClusterFacts{
		Label: label, Name: "cluster-" + label, MetaServers: []string{net + ".1:34601"}, PrimaryMeta: net + ".1:34601",
		Level: "lively", ConfigSync: 30 * time.Second, GroupCheck: 100 * time.Second, MaxReplicaCount: 5, MaxWriteSize: 1 << 20,
	}
	for _, host := range []string{"5", "6", "7"} {
		c.Nodes = append(c.Nodes, plan.NodeFacts{Addr: net + "." + host + ":34801", Alive: true, Version: "2.5.0",
			DiskTotal: 4 << 40, DiskAvailable: 3 << 40})
	}
	return c
}

func table(id, partitions int32) *plan.TableFacts {
	return &plan.TableFacts{
		Name: "orders", ID: id, Status: "AVAILABLE", Partitions: partitions, Replicas: 3,
		Envs:         map[string]string{"default_ttl": "86400", "replica.slow_query_threshold": "100"},
		Health:       plan.HealthFacts{Full: int(partitions)},
		DataVersions: map[int32]int{1: int(partitions) * 3},
		Rows:         812_000_000, Bytes: 400 << 30, HasRows: true,
	}
}

func build(t testing.TB, m *schema.Migration, f plan.Facts) *plan.Plan {
	t.Helper()
	p, err := plan.Build(m, f, plan.Options{ToolVersion: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// codes lists the codes of a plan's errors and warnings.
func codes(p *plan.Plan, s plan.Severity) []string {
	var out []string
	for _, c := range p.Checks {
		if c.Severity == s {
			out = append(out, c.Code)
		}
	}
	return out
}

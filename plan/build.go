package plan

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/schema"
)

// Options is what Build needs besides the declaration and the facts.
type Options struct {
	ToolVersion string
}

// Build plans a migration that has not begun. It always returns a plan; one with a check of
// severity Error has no steps to be trusted and apply refuses it.
func Build(m *schema.Migration, f Facts, o Options) (*Plan, error) {
	b := &builder{m: m, f: f}
	b.source = TableRef{Cluster: m.Source.Label(), Table: m.Source.Table}
	b.target = TableRef{Cluster: m.Target.Cluster.Label, Table: m.Target.Table}
	p := b.head(o)
	b.checkClusters()
	if b.fromBackup() {
		b.f.SourceTable = foundTable(f)
		b.checkFound()
	} else {
		b.checkSource()
	}
	if b.f.SourceTable != nil {
		b.decide()
		switch method := m.Method.(type) {
		case *schema.CopyMethod:
			b.checkTarget()
			b.checkEnvs()
			b.checkCopy(method)
			p.Steps = b.copySteps(method)
			b.say(p, method)
		case *schema.DuplicationMethod:
			b.checkDuplication(method)
			w := b.cutoverWindow()
			p.Steps = b.duplicationSteps(method, w)
			b.sayDuplication(p, method, w)
		default:
			if b.filesMethod(p) {
				break
			}
			b.checks.fail(CodeTableUnread, b.place(m.Range), "use another method", "this release cannot plan the declared method")
		}
	}
	if b.f.SourceTable != nil {
		p.Advice = b.advise()
	}
	p.Source, p.Target = b.endpoints()
	p.Checks = b.checks.list
	if b.checks.failed() {
		p.Steps = nil
	}
	p.Estimate = addUp(p.Steps)
	p.Facts = fingerprint(f)
	return p, p.seal()
}

// builder holds what the parts of Build share. It lives for one call.
type builder struct {
	m              *schema.Migration
	f              Facts
	checks         checks
	source, target TableRef
	// wanted shape of the target
	partitions, replicas int32
	envs                 carried
	// create says that the target is absent and will be created.
	create bool
	// allowExtra says that rows are merged into a table that has some.
	allowExtra bool
}

func (b *builder) head(o Options) *Plan {
	return &Plan{
		FormatVersion:       FormatVersion,
		ToolVersion:         o.ToolVersion,
		Migration:           b.m.Name,
		Method:              b.m.Method.Kind(),
		ConfigFingerprint:   b.m.Fingerprint,
		IdentityFingerprint: b.m.IdentityFingerprint,
		Steps:               []Step{},
	}
}

// decide settles the wanted shape of the target from the declaration and the source.
func (b *builder) decide() {
	src := b.f.SourceTable
	b.partitions, b.replicas = src.Partitions, src.Replicas
	if n := b.m.Target.PartitionCount; n != nil {
		b.partitions = *n
	}
	if n := b.m.Target.ReplicaCount; n != nil {
		b.replicas = *n
	}
	prior := src.Envs[EnvBusinessInfo]
	if src.Marker != nil {
		prior = src.Marker.Prior
	}
	b.envs = carryEnvs(src.Envs, b.m.Target.Envs, prior)
	b.create = b.f.TargetTable == nil
}

func (b *builder) endpoints() (source, target Endpoint) {
	source = Endpoint{TableRef: b.source, ClusterName: b.f.Source.Name, MetaServers: b.f.Source.MetaServers}
	fill(&source, b.f.SourceTable)
	target = Endpoint{TableRef: b.target, ClusterName: b.f.Target.Name, MetaServers: b.f.Target.MetaServers,
		Partitions: b.partitions, Replicas: b.replicas}
	fill(&target, b.f.TargetTable)
	return source, target
}

func fill(e *Endpoint, t *TableFacts) {
	if t == nil {
		return
	}
	e.Exists = true
	e.ID, e.Partitions, e.Replicas, e.Rows, e.Bytes = t.ID, t.Partitions, t.Replicas, t.Rows, t.Bytes
}

// plural writes "1 partition", "4 partitions".
func plural(n int, noun string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s", noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

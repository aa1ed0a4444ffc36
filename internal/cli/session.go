package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/actuate"
	"github.com/pegmigrate/pegmigrate/internal/metrics"
	"github.com/pegmigrate/pegmigrate/internal/observe"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/provider"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// configOptions say which declaration a command works on.
type configOptions struct {
	path      string // folder or file
	migration string // "" when the configuration has one only
	vars      schema.Vars
}

// session is one declared migration with its clusters open.
type session struct {
	env       Env
	config    *schema.Config
	migration *schema.Migration
	dir       string   // where .pegmigrate is
	args      []string // flags and folder that name this migration again
	clusters  map[string]*pegasus.Cluster
	actuators *actuate.Clusters
	stores    *provider.Stores
	metrics   *metrics.Sink // nil unless they are served
}

// diagnosed says that the configuration has mistakes, which are printed already.
var errDiagnosed = errors.New("the configuration has errors")

// load reads the configuration and picks the migration. Diagnostics are printed here, once.
func (e Env) load(o configOptions) (*session, error) {
	config, diags := schema.Load(o.path, o.vars)
	if len(diags) > 0 {
		e.printDiagnostics(diags, config)
	}
	if diags.HasErrors() {
		return nil, &exitError{code: ExitError, err: errDiagnosed}
	}
	m, err := pick(config, o.migration)
	if err != nil {
		return nil, err
	}
	return &session{env: e, config: config, migration: m, dir: stateDir(o.path), args: o.again(config)}, nil
}

// pick chooses the migration that a command is about.
func pick(config *schema.Config, name string) (*schema.Migration, error) {
	names := make([]string, 0, len(config.Migrations))
	for _, m := range config.Migrations {
		names = append(names, m.Name)
	}
	switch {
	case len(names) == 0:
		return nil, failf(codeNoMigration, "declare a migration block, or write a starter with `pegmigrate init`",
			"the configuration declares no migration")
	case name == "" && len(names) == 1:
		return config.Migrations[0], nil
	case name == "":
		return nil, failf(codeWhichOne, "name one with -migration", "the configuration declares %d migrations: %s",
			len(names), strings.Join(names, ", "))
	}
	if m := config.Migration(name); m != nil {
		return m, nil
	}
	return nil, failf(codeNoSuchOne, "it declares "+strings.Join(names, ", "), "the configuration declares no migration %q", name)
}

// stateDir is the folder that .pegmigrate lies in: beside the configuration.
func stateDir(path string) string {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return filepath.Dir(path)
	}
	return path
}

// connect opens both clusters. A cluster that cannot be reached is told with what each of its
// addresses answered.
func (s *session) connect(ctx context.Context) error {
	if errs := s.connectAny(ctx); len(errs) > 0 {
		s.close()
		return errs[0]
	}
	return nil
}

// connectAny opens the clusters that can be reached and returns why the others cannot: a fence on
// the source has to come down while the target is away.
func (s *session) connectAny(ctx context.Context) (failed []error) {
	s.clusters = map[string]*pegasus.Cluster{}
	for _, c := range []*schema.Cluster{s.migration.Source.Cluster, s.migration.Target.Cluster} {
		if c == nil || s.clusters[c.Label] != nil { // nil is a source of which a backup remains
			continue
		}
		open, err := s.env.openCluster(ctx, c.Label, c.MetaServers, place(c))
		if err != nil {
			failed = append(failed, err)
			continue
		}
		s.clusters[c.Label] = open
	}
	s.actuators = actuate.NewClusters(s.clusters)
	s.stores = provider.NewStoresOf(s.env.HDFS)
	return failed
}

// slowAnswer is how long a command waits in silence before it says what for.
const slowAnswer = 2 * time.Second

func (e Env) openCluster(ctx context.Context, label string, metas []string, at string) (*pegasus.Cluster, error) {
	slow := time.AfterFunc(slowAnswer, func() {
		fmt.Fprintf(e.Stderr, "waiting for cluster %q to answer at %s\n", label, strings.Join(metas, ", "))
	})
	defer slow.Stop()
	open, err := pegasus.Open(ctx, pegasus.Config{Name: label, MetaServers: metas, Wire: e.Wire})
	if err == nil {
		return open, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	f := &failure{Code: plan.CodeClusterSilent, Place: at, Text: fmt.Sprintf("cluster %q cannot be reached: %v", label, err),
		Hint: "check meta_servers and that the cluster is up"}
	var noLeader *pegasus.NoLeaderError
	if errors.As(err, &noLeader) && answered(noLeader) {
		f.Code = plan.CodeNoLeader
		f.Hint = "the addresses answer but the leader cannot be reached: list every meta server of the cluster"
	}
	return nil, f
}

// answered says whether any address behaved like a meta server: then the list is incomplete rather
// than wrong. An address that is still the text of the configuration was never asked.
func answered(e *pegasus.NoLeaderError) bool {
	return slices.ContainsFunc(e.Answers, func(a pegasus.MetaAnswer) bool {
		_, err := netip.ParseAddrPort(a.Addr)
		return a.Err == nil && err == nil
	})
}

func place(c *schema.Cluster) string {
	return fmt.Sprintf("%s:%d,%d", c.Range.Filename, c.Range.Start.Line, c.Range.Start.Column)
}

func (s *session) close() {
	for _, c := range s.clusters {
		c.Close()
	}
	if s.stores != nil {
		s.stores.Close()
	}
}

// observeLimit bounds one look at both clusters.
const observeLimit = 2 * time.Minute

// observe looks at both ends.
func (s *session) observe(ctx context.Context) (plan.Facts, error) {
	ctx, cancel := context.WithTimeout(ctx, observeLimit)
	defer cancel()
	m := s.migration
	var opts []observe.Option
	if d, ok := m.Method.(*schema.DuplicationMethod); ok {
		opts = append(opts, observe.WithDuplication(d, s.env.zookeeper()))
	}
	if c, ok := m.Method.(*schema.CopyMethod); ok && c.SourceWrites == schema.SourceWritesCatchUp {
		opts = append(opts, observe.WithTraffic())
	}
	if c, ok := m.Method.(*schema.CopyMethod); ok && c.Geo != nil {
		opts = append(opts, observe.WithIndex())
	}
	opts = append(opts, observe.WithFiles(m, s.stores, s.env.Now))
	source := observe.Side{Table: m.Source.Table}
	if c := m.Source.Cluster; c != nil {
		source.Cluster, source.Label, source.MetaServers = s.clusters[c.Label], c.Label, c.MetaServers
	}
	facts, err := observe.Look(ctx, source,
		observe.Side{Cluster: s.clusters[m.Target.Cluster.Label], Label: m.Target.Cluster.Label,
			MetaServers: m.Target.Cluster.MetaServers, Table: m.Target.Table}, opts...)
	if err != nil && !errors.Is(err, context.Canceled) {
		return facts, &failure{Code: plan.CodeTableUnread, Text: "the clusters could not be looked at: " + err.Error(),
			Hint: "nothing was changed; try again when the cluster answers"}
	}
	return facts, err
}

// planFor plans the migration, or describes the one that is under way. doc may be nil.
func (s *session) planFor(facts plan.Facts, doc *state.Document) (*plan.Plan, error) {
	if doc == nil || doc.Outcome == state.OutcomeRolledBack {
		return plan.Build(s.migration, facts, plan.Options{ToolVersion: s.env.Version})
	}
	begun, err := apply.PlanOf(doc)
	if err != nil {
		return nil, err
	}
	facts.Owned = s.ownership(doc, begun)
	if doc.Outcome == state.OutcomeDone && s.startsOver(facts, begun) {
		facts.Owned = nil
		return plan.Build(s.migration, facts, plan.Options{ToolVersion: s.env.Version})
	}
	return plan.Resume(begun, s.migration, facts)
}

// ownership is what the document knows of the run, and of its copy what the journal of a run that was killed knows.
func (s *session) ownership(doc *state.Document, begun *plan.Plan) *plan.Ownership {
	o := apply.OwnershipOf(doc, begun)
	if o.Progress.PartitionsCopied > 0 {
		return o
	}
	if cursors, err := state.ReadJournal(s.env.FS, s.dir, s.migration.Name, "copy"); err == nil {
		apply.AddCursors(&o.Progress, cursors)
	}
	return o
}

// startsOver says whether a finished migration is to be planned anew: its target is gone, or the
// declaration means another one now.
func (s *session) startsOver(facts plan.Facts, begun *plan.Plan) bool {
	return facts.TargetTable == nil || s.migration.IdentityFingerprint != begun.IdentityFingerprint
}

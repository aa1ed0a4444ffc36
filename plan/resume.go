package plan

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/schema"
)

// Resume describes a migration that is under way: the plan that it began with, looked at again
// from where it stands. The steps stay those that were reviewed; facts that would make going on
// wrong become errors. Limits, lag_threshold, traffic_proof and proxies come from the declaration, which
// may change them on the way.
func Resume(begun *Plan, m *schema.Migration, f Facts) (*Plan, error) {
	p := *begun
	p.Advice = nil // the method is chosen
	if f.Owned != nil && f.Owned.Progress.Finished {
		return finished(p, f)
	}
	b := &builder{m: m, f: f, source: begun.Source.TableRef, target: begun.Target.TableRef,
		partitions: begun.Target.Partitions, replicas: begun.Target.Replicas}
	b.checkClusters()
	b.checkIdentity(begun)
	if !b.fromBackup() {
		b.checkSameCluster(begun.Source, f.Source, b.place(m.Source.Cluster.Range))
	}
	b.checkSameCluster(begun.Target, f.Target, b.place(m.Target.Cluster.Range))
	if !b.fromBackup() {
		b.checkResumedSource(begun)
	}
	b.checkResumedTarget(begun)
	p.ConfigFingerprint = m.Fingerprint
	p.Steps = withRates(withLimits(begun.Steps, copyLimits(m.Limits), f), m.Limits)
	if method, ok := m.Method.(*schema.CopyMethod); ok && f.SourceTable != nil {
		b.resumeCopy(&p, method)
	}
	if method, ok := m.Method.(*schema.DuplicationMethod); ok && f.SourceTable != nil {
		b.resumeDuplication(&p, method)
	}
	p.Checks = b.checks.list
	p.lookAgain(f)
	if f.Owned != nil {
		progress := f.Owned.Progress
		p.Progress = &progress
	}
	p.Estimate = addUp(remaining(p.Steps, p.Progress))
	return &p, p.seal()
}

// finished describes a migration that is done: there is nothing left that could go wrong.
func finished(p Plan, f Facts) (*Plan, error) {
	p.Steps = []Step{}
	p.Checks = []Check{{Severity: OK, Text: "every step is done"}}
	p.Estimate = Estimate{}
	p.lookAgain(f)
	progress := f.Owned.Progress
	p.Progress = &progress
	return &p, p.seal()
}

// lookAgain puts what is there now in place of what was there when the migration began.
func (p *Plan) lookAgain(f Facts) {
	p.Source.Rows, p.Source.Bytes = sizeOf(f.SourceTable)
	if f.TargetTable != nil {
		p.Target.Exists, p.Target.ID = true, f.TargetTable.ID
		p.Target.Rows, p.Target.Bytes = sizeOf(f.TargetTable)
	}
}

func sizeOf(t *TableFacts) (rows, bytes uint64) {
	if t == nil {
		return 0, 0
	}
	return t.Rows, t.Bytes
}

// remaining cuts off the steps that are done, for the estimate.
func remaining(steps []Step, progress *Progress) []Step {
	if progress == nil || progress.StepsDone > len(steps) {
		return steps
	}
	return steps[progress.StepsDone:]
}

// withLimits gives the steps that move data the limits declared now, and estimates of what is left.
func withLimits(steps []Step, limits CopyLimits, f Facts) []Step {
	rows, bytes := sizeOf(f.SourceTable)
	leftRows, leftBytes := rows, bytes
	if f.Owned != nil && rows > 0 {
		left := 1 - min(1, float64(f.Owned.Progress.RowsCopied)/float64(rows))
		leftRows, leftBytes = uint64(float64(rows)*left), uint64(float64(bytes)*left)
	}
	out := make([]Step, len(steps))
	for i, s := range steps {
		switch a := s.Action.(type) {
		case Copy:
			a.Limits = limits
			s.Action, s.Estimate = a, estimateMove(leftRows, leftBytes, limits, false)
		case Verify:
			a.Limits = limits
			s.Action, s.Estimate = a, estimateMove(rows, bytes, limits, true)
		case BuildIndex:
			a.Limits = limits
			a.Limits.WriteReject = 0
			s.Action = a
		case CompareLive:
			a.Limits = limits
			s.Action, s.Estimate = a, estimateMove(rows, bytes, limits, true)
		case RecheckKeys:
			a.Limits = limits
			s.Action = a
		case VerifyBackupRows:
			a.Limits = limits
			s.Action = a
		case RepairResurrected:
			a.Limits = limits
			s.Action = a
		}
		out[i] = s
	}
	return out
}

// checkIdentity refuses to go on under a declaration that means another migration.
func (b *builder) checkIdentity(begun *Plan) {
	if b.m.IdentityFingerprint == begun.IdentityFingerprint {
		b.checks.ok("the declaration still means the migration that was begun")
		return
	}
	b.checks.fail(CodeIdentity, b.place(b.m.Range),
		"put the declaration back (limits, approve, lag_threshold, traffic_proof, proxies, multi_set*, scan_batch, timeout and on_undecodable may change), or `pegmigrate rollback` first",
		"migration %q was begun with another declaration: tables, method, envs or verification changed since", b.m.Name)
}

// checkSameCluster finds out when a label points to another cluster than it did: meta servers may
// be replaced on the way, clusters may not.
func (b *builder) checkSameCluster(then Endpoint, now ClusterFacts, place string) {
	if then.ClusterName != now.Name {
		b.checks.fail(CodeDrifted, place, "put the right meta_servers back",
			"cluster %q calls itself %q, it was %q when this migration began", then.Cluster, now.Name, then.ClusterName)
	}
}

func (b *builder) checkResumedSource(begun *Plan) {
	place := b.place(b.m.Source.Range)
	t := b.f.SourceTable
	if t == nil && b.sourceDropped(begun) {
		b.checks.ok("%s is dropped, as declared", b.source)
		return
	}
	if t == nil {
		b.checks.fail(CodeDrifted, place, "recall it within its reserve time, or `pegmigrate rollback`",
			"%s is gone", b.source)
		return
	}
	b.drift(begun.Source, *t, place)
	b.checkMarker(t, b.source, place)
	b.checkQuietTable(t, b.source, place, Warning)
}

// sourceDropped says whether a run that goes on has dropped the source itself.
func (b *builder) sourceDropped(begun *Plan) bool {
	n := indexOf(begun, "drop-source")
	return n > 0 && b.f.Owned != nil && b.f.Owned.Progress.StepsDone >= n-1
}

func (b *builder) checkResumedTarget(begun *Plan) {
	place := b.place(b.m.Target.Range)
	t := b.f.TargetTable
	created := b.f.Owned != nil && b.f.Owned.CreatedTarget != 0
	switch {
	case t == nil && created:
		b.checks.fail(CodeDrifted, place, "recall it (id "+fmt.Sprint(b.f.Owned.CreatedTarget)+"), or `pegmigrate rollback` and start again",
			"%s, which this migration created, is gone", b.target)
	case t == nil:
		return
	case created && t.ID != b.f.Owned.CreatedTarget:
		b.checks.fail(CodeDrifted, place, "somebody dropped the table and made another: `pegmigrate rollback`, then plan again",
			"%s has id %d, this migration created id %d", b.target, t.ID, b.f.Owned.CreatedTarget)
	case !created && begun.Target.Exists:
		b.drift(begun.Target, *t, place)
	case !created && b.f.Owned != nil && !b.f.Owned.Creating:
		b.checks.fail(CodeDrifted, place, "drop it, or `pegmigrate rollback` and plan again with if_exists",
			"%s was absent when this migration was planned; somebody else created it (id %d)", b.target, t.ID)
	}
	if t != nil && (t.Partitions != begun.Target.Partitions || t.Replicas != begun.Target.Replicas) {
		b.checks.fail(CodeDrifted, place, "`pegmigrate rollback`, then plan again",
			"%s has %d partitions x %d, planned were %d x %d", b.target, t.Partitions, t.Replicas,
			begun.Target.Partitions, begun.Target.Replicas)
	}
}

// drift compares a table that existed when the migration was planned with what it is now.
func (b *builder) drift(then Endpoint, now TableFacts, place string) {
	if then.ID != now.ID {
		b.checks.fail(CodeDrifted, place, "`pegmigrate rollback`, then plan again",
			"%s has id %d, it had %d when this migration began: it was dropped and made again", then.TableRef, now.ID, then.ID)
	}
	if then.Partitions != now.Partitions {
		b.checks.fail(CodeDrifted, place, "`pegmigrate rollback`, then plan again: cursors are kept per partition",
			"%s has %d partitions, it had %d when this migration began", then.TableRef, now.Partitions, then.Partitions)
	}
	if now.Status != "AVAILABLE" {
		b.checks.fail(CodeSourceBusy, place, "wait until it is available", "%s is %s", then.TableRef, now.Status)
	}
}

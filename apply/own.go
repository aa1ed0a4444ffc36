package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// ownPriors is what the clusters looked like before the first change. It is kept in the state
// document and, as the ownership marker, in the source table itself.
type ownPriors struct {
	SourceInfo      marker.Prior            `json:"source_info"`
	TargetInfo      marker.Prior            `json:"target_info"`
	TargetExisted   bool                    `json:"target_existed"`
	TargetHighestID int32                   `json:"target_highest_id"`
	SourceEnvs      map[string]marker.Prior `json:"source_envs,omitempty"`
	TargetEnvs      map[string]marker.Prior `json:"target_envs,omitempty"`
	// SourceLevel is the meta function level of the source's cluster, "" when the plan leaves it alone.
	SourceLevel string `json:"source_level,omitempty"`
	// TargetLevel is that of the target's cluster, "" when the plan loads nothing there.
	TargetLevel string `json:"target_level,omitempty"`
	// Rates are the flags that limit transfers, by rateKey and server, as far as the plan changes them.
	Rates map[string]map[string]string `json:"rates,omitempty"`
	Since time.Time                    `json:"since"`
}

// maxPrior bounds the text that the marker is put around. All of a table's settings share one
// ZooKeeper node, of 1 MiB at most by ZooKeeper's default (jute.maxbuffer).
const maxPrior = 128 << 10

// ownRunner writes the ownership marker.
type ownRunner struct {
	base
	a plan.Own
}

// prior looks at everything that later steps will change.
func (o *ownRunner) prior(ctx context.Context) (*state.Blob, error) {
	src, err := o.table(ctx, o.a.Source)
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", o.a.Source, err)
	}
	if err := o.foreign(o.a.Source, src.Envs[marker.Env]); err != nil {
		return nil, err
	}
	if n := len(src.Envs[marker.Env]); n > maxPrior {
		return nil, &StepError{Step: o.id, Code: CodeForeignMarker,
			Text: fmt.Sprintf("%s of %s is %s long; the ownership marker has to go around it", marker.Env, o.a.Source, plan.Bytes(uint64(n))),
			Hint: "shorten it: a meta that cannot store a table's envs in ZooKeeper tries for ever"}
	}
	p := ownPriors{
		SourceInfo: marker.PriorOf(src.Envs, marker.Env),
		SourceEnvs: map[string]marker.Prior{plan.EnvDeny: marker.PriorOf(src.Envs, plan.EnvDeny)},
		Since:      o.r.Now().UTC().Truncate(time.Second),
	}
	if err := o.priorsOfDuplication(ctx, src, &p); err != nil {
		return nil, err
	}
	if err := o.priorRates(ctx, &p); err != nil {
		return nil, err
	}
	if step, ok := firstStep[plan.BulkLoad](o.r.Plan); ok {
		if p.TargetLevel, err = o.level(ctx, step.Action.(plan.BulkLoad).Target.Cluster); err != nil {
			return nil, err
		}
	}
	dst, err := o.table(ctx, o.a.Target)
	switch {
	case errors.Is(err, ErrNoTable):
	case err != nil:
		return nil, fmt.Errorf("look at %s: %w", o.a.Target, err)
	default:
		if err := o.foreign(o.a.Target, dst.Envs[marker.Env]); err != nil {
			return nil, err
		}
		p.TargetExisted = true
		p.TargetInfo = marker.PriorOf(dst.Envs, marker.Env)
		p.TargetEnvs = map[string]marker.Prior{marker.Env: p.TargetInfo}
		for _, key := range targetKeys(o.r.Plan) {
			p.TargetEnvs[key] = marker.PriorOf(dst.Envs, key)
		}
	}
	err = o.insist(ctx, "list the tables of "+o.a.Target.Cluster, func(ctx context.Context) error {
		ctx, cancel := o.call(ctx)
		defer cancel()
		var err error
		p.TargetHighestID, err = o.r.World.Tables.HighestID(ctx, o.a.Target.Cluster)
		return err
	})
	if err != nil {
		return nil, err
	}
	return blob(kindPriors, p)
}

// priorsOfDuplication adds what a duplication and its cut-over will change on the source.
func (o *ownRunner) priorsOfDuplication(ctx context.Context, src TableState, p *ownPriors) error {
	if step, ok := firstStep[plan.ParkEnvs](o.r.Plan); ok {
		for _, key := range step.Action.(plan.ParkEnvs).Keys {
			p.SourceEnvs[key] = marker.PriorOf(src.Envs, key)
		}
	}
	step, ok := firstStep[plan.HoldBalancer](o.r.Plan)
	if !ok {
		return nil
	}
	return o.insist(ctx, "read the meta function level", func(ctx context.Context) (err error) {
		ctx, cancel := o.call(ctx)
		defer cancel()
		p.SourceLevel, err = o.r.World.Levels.MetaLevel(ctx, step.Action.(plan.HoldBalancer).Cluster)
		return err
	})
}

// targetKeys lists the envs of the target that the plan will set.
func targetKeys(p *plan.Plan) []string {
	var keys []string
	for _, s := range p.Steps {
		switch a := s.Action.(type) {
		case plan.SetEnvs:
			keys = append(keys, sorted(a.Envs)...)
		case plan.ParkTTL:
			keys = append(keys, plan.EnvDefaultTTL)
		case plan.SetUsage:
			keys = append(keys, plan.EnvUsageScenario)
		}
	}
	return keys
}

// foreign refuses a marker that is not of this run.
func (o *ownRunner) foreign(t plan.TableRef, text string) error {
	m, err := marker.Parse(text)
	if err != nil {
		return &StepError{Step: o.id, Code: CodeForeignMarker, Text: fmt.Sprintf("%s: %s cannot be read", t, marker.Env), Err: err,
			Hint: "put the right text back by hand"}
	}
	if m == nil || m.Lineage == o.r.Store.Document().Lineage {
		return nil
	}
	return &StepError{Step: o.id, Code: CodeForeignMarker,
		Text: fmt.Sprintf("%s is being migrated by %s since %s (migration %q, lineage %s)", t, m.Owner, m.Since.Format(time.RFC3339), m.Migration, m.Lineage),
		Hint: "ask its owner; a finished or rolled back run there takes the marker out"}
}

func (o *ownRunner) done(ctx context.Context) (bool, string, error) {
	src, err := o.table(ctx, o.a.Source)
	if err != nil {
		return false, "", err
	}
	text := src.Envs[marker.Env]
	if err := o.foreign(o.a.Source, text); err != nil {
		return false, "", err
	}
	if m, _ := marker.Parse(text); m != nil {
		return true, "the marker in " + o.a.Source.String() + " names this run", nil
	}
	return false, o.a.Source.String() + " carries no marker", nil
}

// holds asks for the marker as long as anything can be undone: a rollback that was cut short, or
// somebody who cleaned up, may have taken it out.
func (o *ownRunner) holds(ctx context.Context) (bool, error) {
	if o.r.pastReturn() != "" {
		return true, nil
	}
	ok, _, err := o.done(ctx)
	return ok, err
}

func (o *ownRunner) run(ctx context.Context) error {
	if o.r.record(o.id).Attempts > 1 {
		if err := o.refreshPriors(ctx); err != nil {
			return err
		}
	}
	p, err := o.r.priors()
	if err != nil {
		return err
	}
	return o.mark(ctx, o.a.Source, "source", o.a.Target, p.SourceInfo, p)
}

// refreshPriors looks at the prior values again when an earlier attempt recorded them. As long as
// nothing else was begun, all is as it was before the migration; later only the text that is to be
// put around the marker can be taken anew.
func (o *ownRunner) refreshPriors(ctx context.Context) error {
	prior, err := o.prior(ctx)
	if err != nil {
		return err
	}
	if o.r.begunAfter(o.id) {
		fresh, _, err := unblob[ownPriors](prior, kindPriors)
		if err != nil {
			return err
		}
		p, err := o.r.priors()
		if err != nil {
			return err
		}
		p.SourceInfo = fresh.SourceInfo
		if prior, err = blob(kindPriors, p); err != nil {
			return err
		}
	}
	return o.r.update(o.id, func(s *state.Step) { s.Prior = prior })
}

// begunAfter says whether a later step was begun and is not undone.
func (r *Run) begunAfter(step string) bool {
	after := false
	for _, s := range r.Plan.Steps {
		record := r.record(s.ID)
		if after && record.Attempts > 0 && record.Status != state.Undone {
			return true
		}
		after = after || s.ID == step
	}
	return false
}

// mark writes a marker into a table. The lineage makes it ours.
func (b base) mark(ctx context.Context, t plan.TableRef, role string, peer plan.TableRef, prior marker.Prior, p ownPriors) error {
	text, err := marker.Format(marker.Marker{
		Lineage: b.r.Store.Document().Lineage, Migration: b.r.Plan.Migration, Owner: b.r.Owner, Since: p.Since,
		Role: role, Peer: peer.String(), Prior: prior,
		TargetExisted: p.TargetExisted, TargetHighestID: p.TargetHighestID, TargetID: b.r.createdTarget(),
		SourceEnvs: p.SourceEnvs, TargetEnvs: p.TargetEnvs, SourceLevel: p.SourceLevel, TargetLevel: p.TargetLevel, Ticket: b.r.validUntil(), Rates: p.Rates,
	})
	if err != nil {
		return err
	}
	return b.setEnvs(ctx, t, map[string]string{marker.Env: text})
}

// priors reads what the first step found.
func (r *Run) priors() (ownPriors, error) {
	if doc := r.Store.Document(); doc != nil { // a return has no such step of its own
		for _, s := range doc.Steps {
			if p, ok, err := unblob[ownPriors](s.Prior, kindPriors); err != nil || ok {
				return p, err
			}
		}
	}
	return ownPriors{}, &StepError{Code: CodeState2, Text: "the state document does not hold the prior values",
		Hint: "restore its .backup, or `pegmigrate apply -adopt`"}
}

// PriorsBlob rebuilds the prior values of a migration from its ownership marker, for -adopt.
func PriorsBlob(m *marker.Marker) (*state.Blob, error) {
	return blob(kindPriors, ownPriors{
		SourceInfo: m.Prior, TargetExisted: m.TargetExisted, TargetHighestID: m.TargetHighestID,
		SourceEnvs: m.SourceEnvs, TargetEnvs: m.TargetEnvs, Since: m.Since, SourceLevel: m.SourceLevel, TargetLevel: m.TargetLevel, Rates: m.Rates,
		TargetInfo: m.TargetEnvs[marker.Env],
	})
}

// disownRunner takes the markers out.
type disownRunner struct {
	base
	a plan.Disown
}

func (d *disownRunner) done(ctx context.Context) (bool, string, error) {
	if back, err := d.fenceBack(ctx); err != nil || back {
		return false, "the fence of " + d.a.Source.String() + " is back", err
	}
	for _, t := range d.marked() {
		s, err := d.table(ctx, t)
		if errors.Is(err, ErrNoTable) {
			continue
		}
		if err != nil {
			return false, "", err
		}
		if m, _ := marker.Parse(s.Envs[marker.Env]); m != nil && m.Lineage == d.r.Store.Document().Lineage {
			return false, t.String() + " carries the marker", nil
		}
	}
	return true, "no marker of this run on either table", nil
}

// fenceBack says that the fence which was lifted is on the source again: a meta that could not
// reach its ZooKeeper repeats a change of envs later, over what was set since.
func (d *disownRunner) fenceBack(ctx context.Context) (bool, error) {
	_, fence, ok := d.r.fenceStep()
	if !ok || !d.r.lifts() {
		return false, nil
	}
	prior, err := d.r.denyPrior()
	if err != nil {
		return false, err
	}
	s, err := d.table(ctx, d.a.Source)
	if errors.Is(err, ErrNoTable) {
		return false, nil
	}
	return err == nil && s.Envs[plan.EnvDeny] == fence.Mode && prior.Value != fence.Mode, err
}

// run clears the target first: as long as the source is marked, a lost state can be rebuilt.
func (d *disownRunner) run(ctx context.Context) error {
	if back, err := d.fenceBack(ctx); err != nil {
		return err
	} else if back {
		d.warn(CodeFence, "the fence of "+d.a.Source.String()+" came back after it was lifted; it is lifted again", "")
		step, fence, _ := d.r.fenceStep()
		if err := d.r.undoFence(ctx, step.ID, fence.Table); err != nil {
			return err
		}
	}
	p, err := d.r.priors()
	if err != nil {
		return err
	}
	info := p.TargetInfo
	if !p.TargetExisted {
		info = marker.Prior{Had: d.a.TargetInfo != "", Value: d.a.TargetInfo}
	}
	if err := d.unmark(ctx, d.a.Target, info); err != nil {
		return err
	}
	if err := d.unmarkIndex(ctx); err != nil {
		return err
	}
	return d.unmark(ctx, d.a.Source, p.SourceInfo)
}

// unmark puts the text back, when the marker there is ours.
func (b base) unmark(ctx context.Context, t plan.TableRef, prior marker.Prior) error {
	s, err := b.table(ctx, t)
	if errors.Is(err, ErrNoTable) {
		return nil
	}
	if err != nil {
		return err
	}
	m, err := marker.Parse(s.Envs[marker.Env])
	if err != nil {
		return fmt.Errorf("%s: %w", t, err)
	}
	if m == nil || m.Lineage != b.r.Store.Document().Lineage {
		return nil
	}
	return b.restoreEnvs(ctx, t, map[string]marker.Prior{marker.Env: prior})
}

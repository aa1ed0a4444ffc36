package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
)

// copyPace is the slowest copy of a follower that does not count as stuck, in bytes per second and
// cluster.
const copyPace = 4 << 20

// followRunner follows a duplication until it ships the log and its follower is healthy.
type followRunner struct {
	base
	a plan.FollowDuplication
	// lateShipping says that the servers are 2.4 or 2.5, which ship the last mutation late.
	lateShipping bool
	asked        bool
	ttl          *ttlWatch
	rejected     rejectedWatch
	// since is when the follower was first seen although the duplication had not noted it.
	since time.Time
	ramp  *ramp
	// moved are the partitions whose primaries were told to have moved.
	moved map[int32]bool
}

// followed is one look at a duplication and its follower.
type followed struct {
	entry    Duplication
	follower TableState
	exists   bool
	health   Health
	lags     []Lag
	unknown  int
	problem  string // of the first partition that does not report
}

// done: the log is shipped by every partition, into a follower that is fully replicated and has its
// envs.
func (f *followRunner) done(ctx context.Context) (bool, string, error) {
	s, err := f.look(ctx)
	if err != nil {
		return false, "", err
	}
	if reason := f.missing(s); reason != "" {
		return false, reason, nil
	}
	return true, fmt.Sprintf("duplication %d is in %s, %d partitions ship, all %d of %s (id %d) are fully replicated",
		s.entry.ID, s.entry.Status, len(s.lags), s.health.Partitions, f.a.Target, s.follower.ID), nil
}

// missing says what is not there yet, "" for nothing.
func (f *followRunner) missing(s followed) string {
	switch {
	case s.entry.Status != dsLog:
		text := "the duplication is in " + s.entry.Status
		if s.exists {
			text += fmt.Sprintf(", %d of %d partitions of the follower have no primary", s.health.NoPrimary, s.health.Partitions)
		}
		return text
	case !s.exists:
		return f.a.Target.String() + " does not exist"
	case s.health.Partitions == 0 || s.health.Full < s.health.Partitions:
		return fmt.Sprintf("%d of %d partitions of the follower are fully replicated", s.health.Full, s.health.Partitions)
	case s.unknown > 0:
		return fmt.Sprintf("%d partitions do not report what they ship (%s)", s.unknown, s.problem)
	}
	for _, key := range sorted(f.a.FollowerEnvs) {
		if s.follower.Envs[key] != f.a.FollowerEnvs[key] {
			return fmt.Sprintf("%s of %s is %q", key, f.a.Target, s.follower.Envs[key])
		}
	}
	return ""
}

func (f *followRunner) run(ctx context.Context) error {
	if f.a.Parked && f.ttl == nil {
		f.ttl = f.newTTLWatch()
	}
	f.ramp = f.newRamp(f.a.Rate)
	return f.awaitProgress(ctx, f.r.Waits.Poll, CodeDuplication, func(ctx context.Context) (sight, error) {
		s, err := f.look(ctx)
		if err != nil {
			reason, err := tolerate(ctx, err)
			return sight{mark: "?", limit: f.r.Waits.Stall, reason: reason, causes: "look at the meta servers of both clusters"}, err
		}
		if err := f.wedged(s); err != nil {
			return sight{}, err
		}
		if err := f.giveEnvs(ctx, s); err != nil {
			return sight{}, err
		}
		if f.ttl != nil {
			if err := f.ttl.look(ctx, s); err != nil {
				return sight{}, err
			}
		}
		f.rejected.look(ctx, f.base, f.a.Source)
		if err := f.ramp.look(ctx, false); err != nil { // what was sent tells whether bytes flow
			return sight{}, err
		}
		reason := f.missing(s)
		return sight{over: reason == "", mark: f.mark(s), limit: f.limit(s), reason: reason + f.ramp.text(), causes: f.causes(s)}, nil
	})
}

// look asks about the duplication, its follower and, once it ships, every partition.
func (f *followRunner) look(ctx context.Context) (s followed, err error) {
	if !f.asked {
		check, err := f.groupCheck(ctx, f.a.Source.Cluster)
		if err != nil {
			return s, err
		}
		f.lateShipping, f.asked = check > 0, true
	}
	if s.entry, err = f.entry(ctx, f.a.Source); err != nil {
		return s, err
	}
	if err := f.refuseLoss(ctx, f.a.Source); err != nil {
		return s, err
	}
	if err := f.lookAtLog(ctx, &s); err != nil {
		return s, err
	}
	s.follower, err = f.tableOnce(ctx, f.a.Target)
	switch {
	case errors.Is(err, ErrNoTable):
		return s, f.lostFollower()
	case err != nil:
		return s, err
	}
	if s.exists, err = true, f.knowFollower(s); err != nil {
		return s, err
	}
	call, cancel := f.call(ctx)
	defer cancel()
	s.health, err = f.r.World.Tables.Health(call, f.a.Target)
	return s, err
}

// lookAtLog asks every partition how far it has shipped, and whether it is still led by the primary
// that the duplication began with.
func (f *followRunner) lookAtLog(ctx context.Context, s *followed) (err error) {
	if s.lags, err = f.lagsOnce(ctx, f.a.Source, s.entry.ID); err != nil {
		return err
	}
	for _, l := range s.lags {
		if l.Shipped < 0 {
			if s.unknown++; s.unknown == 1 {
				s.problem = fmt.Sprintf("partition %d on %s: %s", l.Partition, l.Primary, l.Problem)
			}
		}
	}
	return f.began(*s)
}

// knowFollower remembers the follower's id, and refuses a table that is not it.
func (f *followRunner) knowFollower(s followed) error {
	memory, err := f.r.duplicationMemory()
	if err != nil {
		return err
	}
	if why := f.r.followerOf(s.follower, memory); why != nil {
		text := fmt.Sprintf("%s (id %d) is not the follower of this duplication: %v", f.a.Target, s.follower.ID, why)
		if s.entry.Status == dsInit || s.entry.Status == dsPrepare {
			text += "; somebody created it meanwhile, and the duplication stays in " + dsPrepare + " for ever"
		}
		return &StepError{Step: f.id, Code: CodeTargetStolen, Text: text,
			Hint: "`" + f.r.rollbackCommand() + "` takes the duplication back and leaves that table alone; then plan again"}
	}
	return f.r.rememberDuplication(func(p *duplicationProof) { p.Follower = s.follower.ID })
}

// lostFollower is the error for a follower that was there once.
func (f *followRunner) lostFollower() error {
	memory, err := f.r.duplicationMemory()
	if err != nil || memory.Follower == 0 {
		return err
	}
	return &StepError{Step: f.id, Code: CodeTargetStolen, Text: fmt.Sprintf("the follower %s (id %d) is gone: somebody dropped it", f.a.Target, memory.Follower),
		Hint: "`" + f.r.rollbackCommand() + "` and apply again; a follower that is recalled may have missed writes"}
}

// wedged finds what no waiting will mend: on 2.4 and 2.5 a meta whose first request for the follower
// succeeded, and whose note of that was lost, is told that the table exists, for ever (#2144).
func (f *followRunner) wedged(s followed) error {
	now := f.r.Now()
	if !s.exists || !f.lateShipping || s.entry.Status != dsPrepare {
		f.since = time.Time{}
		return nil
	}
	if f.since.IsZero() {
		f.since = now
	}
	age := now.Sub(f.since)
	if age < 6*f.r.Waits.DuplicationSync {
		return nil
	}
	return &StepError{Step: f.id, Code: CodeDuplication,
		Text: fmt.Sprintf("the follower exists for %s and the duplication is still in %s: on 2.4 and 2.5 it stays there for ever", plan.Duration(age), s.entry.Status),
		Hint: "`" + f.r.rollbackCommand() + "`, drop the follower if it is left, and apply again"}
}

// giveEnvs sets on the follower what it could not be created with, once its primaries have opened it.
func (f *followRunner) giveEnvs(ctx context.Context, s followed) error {
	if !s.exists || s.health.Partitions == 0 || s.health.NoPrimary > 0 {
		return nil
	}
	set := map[string]string{}
	for key, value := range f.a.FollowerEnvs {
		if now, ok := s.follower.Envs[key]; !ok || now != value {
			set[key] = value
		}
	}
	if len(set) == 0 {
		return nil
	}
	return f.setEnvs(ctx, f.a.Target, set)
}

// mark is what progress is known by.
func (f *followRunner) mark(s followed) string {
	return fmt.Sprint(s.entry.Status, s.exists, s.health.NoPrimary, s.health.Full, s.unknown)
}

// limit is how long nothing of the mark may change.
func (f *followRunner) limit(s followed) time.Duration {
	switch s.entry.Status {
	case dsInit, dsPrepare:
		return f.r.Waits.Prepare
	case dsApp:
		return f.r.Waits.Copying + time.Duration(f.r.Plan.Source.Bytes/copyPace)*time.Second
	}
	return f.r.Waits.Healthy + f.r.Waits.Copying
}

// causes names what is known to keep a duplication in its state (facts 6.3, 10 and 12).
func (f *followRunner) causes(s followed) string {
	var list []string
	add := func(text string) { list = append(list, text) }
	switch s.entry.Status {
	case dsInit, dsPrepare:
		add("a replica server of the source that is down, or cannot write a checkpoint (disk full)")
		add("the target's meta servers cannot be reached from the source's: look at [pegasus.clusters]")
		add(fmt.Sprintf("the target has fewer live replica servers than the %d replicas of the table", f.a.Replicas))
		if f.lateShipping {
			add("a table of the target's name that exists there (for ever on 2.4 and 2.5)")
		}
	case dsApp:
		if f.lateShipping {
			add("another meta server of the source took over meanwhile: it does not know that the checkpoint is ready (for ever on 2.4 and 2.5; roll back and apply again)")
		}
		if s.exists && s.health.NoPrimary > 0 {
			add("replica servers of the target that died or cannot reach the source's replica servers and meta servers")
			add("a source server that was restarted meanwhile and does not know its checkpoint any more (2.4 and 2.5)")
			if f.lateShipping {
				add("a partition of the source with no row or one has no checkpoint (for ever on 2.4 and 2.5)")
			}
			break
		}
		if f.lateShipping && f.a.Replicas == 1 {
			add("a follower of one replica (for ever on 2.4 and 2.5)")
		}
		add("no secondaries on the target: too few live replica servers")
	default:
		add("replica servers of the target that are down")
		add("a primary of the source that moved and has not heard of the duplication yet (at most " + f.r.Waits.DuplicationSync.String() + ")")
	}
	return "known causes: " + strings.Join(list, "; ")
}

// ttlWatch looks whether the source keeps applying a default_ttl that was taken off it: running
// replicas do, one that was restarted does not.
type ttlWatch struct {
	f     *followRunner
	prior marker.Prior
	every time.Duration
	next  time.Time
	told  map[int32]bool
	back  bool
}

// newTTLWatch gives nil when nothing was in force.
func (f *followRunner) newTTLWatch() *ttlWatch {
	step, ok := firstStep[plan.ParkEnvs](f.r.Plan)
	if !ok {
		return nil
	}
	priors, _, err := base{r: f.r, id: step.ID}.parked()
	if err != nil || !stamps(priors[plan.EnvDefaultTTL]) {
		return nil
	}
	return &ttlWatch{f: f, prior: priors[plan.EnvDefaultTTL], told: map[int32]bool{}}
}

// look probes every partition once per config sync. That it cannot is no reason to stop: the rows are
// shipped as they are.
func (w *ttlWatch) look(ctx context.Context, s followed) error {
	f := w.f
	if w.back || f.r.Now().Before(w.next) {
		return nil
	}
	if w.every == 0 {
		sync, err := f.syncInterval(ctx, f.a.Source.Cluster)
		if err != nil {
			return err
		}
		w.every = sync
	}
	w.next = f.r.Now().Add(w.every)
	idle, err := f.unstamped(ctx, f.a.Source)
	if err != nil {
		_, err := tolerate(ctx, err)
		return err
	}
	for _, p := range idle {
		if w.told[p] {
			continue
		}
		w.told[p] = true
		f.warn(CodeTTL, fmt.Sprintf("partition %d of %s does not apply default_ttl = %s any more since it was parked: rows that are written there without an expiry never expire",
			p, f.a.Source, w.prior.Value), "it is put back as soon as the follower cannot be created with it; look for rows without expiry that were written since")
	}
	// Everything that creates the follower with the source's envs has to be over: on 2.6 it is asked
	// for once more in DS_APP.
	safe := s.exists && (s.entry.Status == dsLog || s.entry.Status == dsApp && f.lateShipping)
	if len(w.told) == 0 || !safe {
		return nil
	}
	if err := f.putBack(ctx, f.a.Source, map[string]marker.Prior{plan.EnvDefaultTTL: w.prior}); err != nil {
		return err
	}
	w.back = true
	f.warn(CodeTTL, fmt.Sprintf("default_ttl = %s is back on %s ahead of its step: the follower exists", w.prior.Value, f.a.Source), "")
	return nil
}

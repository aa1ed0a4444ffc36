package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
)

// addRunner adds the duplication. ADD on one that exists has side effects (2.4 and 2.5 move a paused
// one on, or answer OK and do nothing), so it is asked first and sent only when none is there.
type addRunner struct {
	base
	a plan.AddDuplication
}

// done accepts only a duplication that this run made: one whose id was recorded, or one that turned up
// about when this run asked for it.
func (d *addRunner) done(ctx context.Context) (bool, string, error) {
	list, err := d.duplications(ctx, d.a.Source)
	if err != nil {
		return false, "", err
	}
	return d.judge(list)
}

func (d *addRunner) judge(list []Duplication) (bool, string, error) {
	memory, err := d.r.memoryOf(d.id)
	if err != nil {
		return false, "", err
	}
	for _, e := range list {
		if e.Remote != d.a.Remote {
			continue
		}
		if why := memory.mayBe(e, d.late()); why != nil {
			return false, "", &StepError{Step: d.id, Code: CodeDuplication,
				Text: fmt.Sprintf("%s has a duplication to %s already (id %d, %s) that is not of this run: %v", d.a.Source, d.a.Remote, e.ID, e.Status, why),
				Hint: "ask who added it; when nobody needs it: " + removeByHand(d.a.Source, e.ID)}
		}
		if err := d.r.rememberOf(d.id, func(p *duplicationProof) { p.ID = e.ID }); err != nil {
			return false, "", err
		}
		return true, fmt.Sprintf("duplication %d to %s is in %s", e.ID, e.Remote, e.Status), nil
	}
	if memory.ID != 0 {
		return false, "", d.gone(memory.ID)
	}
	return false, fmt.Sprintf("%s has no duplication to %s", d.a.Source, d.a.Remote), nil
}

// late is how long after it was sent a request may take effect.
func (d *addRunner) late() time.Duration { return d.r.Waits.Call + d.r.Waits.Transient }

// gone is the error for a duplication that somebody removed.
func (b base) gone(id int32) error {
	return &StepError{Step: b.id, Code: CodeDuplication, Text: fmt.Sprintf("duplication %d, which this run added, is gone: somebody removed it", id),
		Hint: "what was written since is not on the target; `" + b.r.rollbackCommand() + "`, drop the follower, and apply again"}
}

// holds notices one that was removed; adding another would not bring back what it did not ship.
func (d *addRunner) holds(ctx context.Context) (bool, error) {
	if end, ok := d.r.endStep(); ok && d.r.record(end.ID).Attempts > 0 {
		return true, nil
	}
	ok, _, err := d.done(ctx)
	return ok, err
}

// endStep is the step that removes the duplication at the end.
func (r *Run) endStep() (plan.Step, bool) { return firstStep[plan.RemoveDuplication](r.Plan) }

// addAttempts bounds the requests whose answers are lost.
const addAttempts = 3

func (d *addRunner) run(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		if err := d.clear(ctx); err != nil {
			return err
		}
		before, err := d.r.memoryOf(d.id)
		if err != nil {
			return err
		}
		if err := d.rememberRequest(ctx); err != nil {
			return err
		}
		id, lost, err := d.send(ctx)
		switch {
		case id > 0 && err != nil:
			return d.unwanted(ctx, id, err)
		case lost != nil:
			if found, err := d.awaitLost(ctx, lost); err != nil {
				return err
			} else if found {
				return d.compareMode(ctx)
			}
			if attempt < addAttempts {
				continue // it was looked for as long as it could be under way
			}
			err = lost
		case err == nil:
			return d.compareMode(ctx)
		case before.Sent.IsZero(): // this one did nothing, and there was none before it
			if forget := d.r.rememberOf(d.id, func(p *duplicationProof) { *p = duplicationProof{} }); forget != nil {
				return forget
			}
		default:
			// An earlier request may have made the one that stands in the way.
			if done, _, look := d.done(ctx); look != nil || done {
				return look
			}
		}
		return &StepError{Step: d.id, Code: CodeDuplication, Text: "the duplication was not added", Err: err,
			Hint: "nothing was changed by this request; mend what it says and run the same command again"}
	}
}

// rememberRequest makes durable that a request leaves, and, before the first one, what the duplication
// begins with.
func (d *addRunner) rememberRequest(ctx context.Context) error {
	memory, err := d.r.memoryOf(d.id)
	if err != nil {
		return err
	}
	var leaders []ledBy
	var lost Loss
	if memory.Sent.IsZero() {
		if leaders, err = d.leaders(ctx, d.a.Source); err != nil {
			return err
		}
		call, cancel := d.call(ctx)
		defer cancel()
		if lost, err = d.r.World.Duplications.Lost(call, d.a.Source); err != nil || !lost.Kept {
			lost = Loss{}
		}
	}
	now := d.r.Now()
	return d.r.rememberOf(d.id, func(p *duplicationProof) {
		if p.Sent.IsZero() {
			p.Sent, p.Leaders, p.LostBefore = now, leaders, lost.Mutations
		}
		p.Last = now
	})
}

// clear looks, right before the request, at what must not be there: these are the things that kill
// servers or wedge the duplication for ever.
func (d *addRunner) clear(ctx context.Context) error {
	refuse := func(text, hint string) error {
		return &StepError{Step: d.id, Code: CodeDuplication, Text: text, Hint: hint}
	}
	if d.a.LogOnly {
		if err := d.clearBack(ctx, refuse); err != nil {
			return err
		}
		return d.alone(ctx, refuse)
	}
	s, err := d.table(ctx, d.a.Source)
	if err != nil {
		return err
	}
	for _, key := range sorted(s.Envs) {
		if key == plan.EnvDefaultTTL || strings.HasPrefix(key, "manual_compact.") || key == plan.EnvDeny {
			return refuse(fmt.Sprintf("%s carries %s = %q: a follower created with it would %s", d.a.Source, key, s.Envs[key],
				map[bool]string{true: "reject what is shipped", false: "crash every replica server of the target"}[key == plan.EnvDeny]),
				"somebody set it since the plan was made; take it off, or `"+d.r.rollbackCommand()+"` and plan again")
		}
	}
	switch t, err := d.table(ctx, d.a.Target); {
	case err == nil:
		return refuse(fmt.Sprintf("%s exists (id %d): a duplication to it would never get out of DS_PREPARE", d.a.Target, t.ID),
			"drop or rename it when nobody needs it, and run the same command again")
	case !errors.Is(err, ErrNoTable):
		return err
	}
	return d.alone(ctx, refuse)
}

// alone refuses a table that is being duplicated somewhere else.
func (d *addRunner) alone(ctx context.Context, refuse func(text, hint string) error) error {
	list, err := d.duplications(ctx, d.a.Source)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.Remote != d.a.Remote {
			return refuse(fmt.Sprintf("%s is being duplicated to %s (id %d, %s)", d.a.Source, e.Remote, e.ID, e.Status),
				"one duplication at a time; end it first: "+removeByHand(d.a.Source, e.ID))
		}
	}
	if len(list) > 0 {
		_, _, err = d.judge(list) // one that turned up since done looked
	}
	return err
}

// send asks once; more often only as long as the cluster says that it did nothing. Afterwards the
// cluster has to list it: 2.4 and 2.5 answer OK, with id 0, when they did nothing. An id beside an
// error is a duplication that was added and is not as it should be.
func (d *addRunner) send(ctx context.Context) (id int32, lost, err error) {
	err = d.insist(ctx, "add the duplication of "+d.a.Source.String(), func(ctx context.Context) error {
		list, err := d.duplicationsOnce(ctx, d.a.Source)
		if err != nil {
			return err
		}
		if found, _, err := d.judge(list); found || err != nil {
			return err
		}
		call, cancel := d.call(ctx)
		defer cancel()
		id, err = d.r.World.Duplications.AddDuplication(call, d.a)
		switch {
		case err != nil && id > 0:
			return &StepError{Step: d.id, Code: CodeDuplication, Text: "the duplication was added, but not as declared", Err: err,
				Hint: "it was removed again; mend what it says and run the same command again"}
		case err != nil && (errors.Is(err, ErrOutcomeUnknown) || call.Err() != nil):
			lost = err
			return nil
		case err == nil && id <= 0:
			lost = errors.New("the meta server answered OK and named no duplication")
		}
		return err
	})
	return id, lost, err
}

// unwanted removes a duplication that was added a moment ago and cannot be used: its follower would
// not be the table that was declared.
func (d *addRunner) unwanted(ctx context.Context, id int32, cause error) error {
	if err := d.r.rememberOf(d.id, func(p *duplicationProof) { p.ID = id }); err != nil {
		return err
	}
	if err := d.remove(ctx, d.a.Source, id); err != nil {
		return errors.Join(cause, err)
	}
	if err := d.r.rememberOf(d.id, func(p *duplicationProof) { *p = duplicationProof{} }); err != nil {
		return err
	}
	return cause
}

// compareMode tells of a fail mode that is not the declared one: it is set by a request of its own,
// which may have been lost with the answer to this one.
func (d *addRunner) compareMode(ctx context.Context) error {
	list, err := d.duplications(ctx, d.a.Source)
	if err != nil {
		return err
	}
	for _, e := range list {
		mode := strings.TrimPrefix(strings.ToLower(e.FailMode), "fail_")
		if e.Remote == d.a.Remote && mode != "" && d.a.FailMode != "" && mode != d.a.FailMode {
			d.warn(CodeDuplication, fmt.Sprintf("the fail mode of duplication %d is %s, declared is %s", e.ID, mode, d.a.FailMode),
				fmt.Sprintf("in the shell of cluster %s: set_dup_fail_mode %s %d %s", d.a.Source.Cluster, d.a.Source.Table, e.ID, d.a.FailMode))
		}
	}
	return nil
}

// awaitLost looks for the duplication of a request that may still be on its way to the leader.
func (d *addRunner) awaitLost(ctx context.Context, lost error) (found bool, err error) {
	if _, err := d.duplications(ctx, d.a.Source); err != nil { // the wait begins with the first look that is answered
		return false, err
	}
	begun := d.r.Now()
	err = d.await(ctx, d.r.Waits.Call+d.r.Waits.Poll, CodeCluster, "", func(ctx context.Context) (bool, string, error) {
		list, err := d.duplications(ctx, d.a.Source)
		if err != nil {
			return false, "", err
		}
		var reason string
		if found, reason, err = d.judge(list); err != nil {
			return false, "", err
		}
		return found || d.r.Now().Sub(begun) >= d.r.Waits.Call, fmt.Sprintf("%v; %s yet", lost, reason), nil
	})
	return found, err
}

// duplications lists a table's duplications.
func (b base) duplications(ctx context.Context, t plan.TableRef) (list []Duplication, err error) {
	err = b.insist(ctx, "list the duplications of "+t.String(), func(ctx context.Context) error {
		var err error
		list, err = b.duplicationsOnce(ctx, t)
		return err
	})
	return list, err
}

func (b base) duplicationsOnce(ctx context.Context, t plan.TableRef) ([]Duplication, error) {
	ctx, cancel := b.call(ctx)
	defer cancel()
	return b.r.World.Duplications.Duplications(ctx, t)
}

// entry finds this run's duplication for waits, which look again anyway. One that is gone or paused is
// an error: both are somebody's doing, and no wait ends them.
func (b base) entry(ctx context.Context, t plan.TableRef) (Duplication, error) {
	id, err := b.r.duplicationID()
	if err != nil {
		return Duplication{}, err
	}
	list, err := b.duplicationsOnce(ctx, t)
	if err != nil {
		return Duplication{}, err
	}
	for _, e := range list {
		switch {
		case e.ID != id:
		case e.Status == dsPause:
			return e, &StepError{Step: b.id, Code: CodeDuplication, Text: fmt.Sprintf("duplication %d of %s is paused: somebody did that", id, t),
				Hint: fmt.Sprintf("ask who and why; in the shell of cluster %s: start_dup %s %d; then `%s` goes on", t.Cluster, t.Table, id, b.r.Resume)}
		default:
			return e, nil
		}
	}
	return Duplication{}, b.gone(id)
}

// The states of a duplication (idl/duplication.thrift, duplication_status).
const (
	dsInit    = "DS_INIT"
	dsPrepare = "DS_PREPARE"
	dsApp     = "DS_APP"
	dsLog     = "DS_LOG"
	dsPause   = "DS_PAUSE"
)

func removeByHand(t plan.TableRef, id int32) string {
	return fmt.Sprintf("in the shell of cluster %s: remove_dup %s %d", t.Cluster, t.Table, id)
}

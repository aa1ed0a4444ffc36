package apply

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
)

// Loss is what servers say of mutations that they could not find in their log any more when they
// wanted to ship them (replica/duplication/mutation_batch.cpp, mutation_buffer::commit): they go on
// behind the gap, and the duplication looks as if it had shipped everything.
type Loss struct {
	// Mutations is how many, over all partitions of the table.
	Mutations float64
	// Kept says that the servers keep the number (2.6 and later); otherwise it is what was seen since
	// this process asked for the first time.
	Kept bool
}

// lossWatch asks for losses now and then. It may be asked from any goroutine.
type lossWatch struct {
	mu   sync.Mutex
	next time.Time
	seen Loss
	told bool
}

// look asks the servers when it is time to, or always. Those up to 2.5 forget the number every ten seconds, as
// often as duplications are synced, so that each is seen twice. An answer that is missing is no reason
// to stop.
func (w *lossWatch) look(ctx context.Context, b base, t plan.TableRef, always bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := b.r.Now()
	if now.Before(w.next) && !always {
		return
	}
	w.next = now.Add(b.r.Waits.DuplicationSync / 2)
	call, cancel := b.call(ctx)
	defer cancel()
	if n, err := b.r.World.Duplications.Lost(call, t); err == nil {
		w.seen = Loss{Mutations: max(w.seen.Mutations, n.Mutations), Kept: n.Kept}
	}
}

// lost says how many mutations of this run's duplication were lost as far as it is known, by this
// process or an earlier one.
func (r *Run) lost() (float64, error) {
	memory, err := r.duplicationMemory()
	if err != nil {
		return 0, err
	}
	r.loss.mu.Lock()
	n := r.loss.seen
	r.loss.mu.Unlock()
	if n.Kept {
		n.Mutations -= memory.LostBefore
	}
	if n.Mutations <= memory.Lost {
		return memory.Lost, nil
	}
	return n.Mutations, r.rememberDuplication(func(p *duplicationProof) { p.Lost = n.Mutations })
}

// refuseLoss looks for losses now and then, and ends a run whose target lacks what was lost.
func (b base) refuseLoss(ctx context.Context, t plan.TableRef) error {
	b.r.loss.look(ctx, b, t, false)
	return b.noLoss(t)
}

// noLoss is an error when something was lost. Once the target took over there is nothing left to refuse.
func (b base) noLoss(t plan.TableRef) error {
	n, err := b.r.lost()
	if err != nil || n <= 0 {
		return err
	}
	text := fmt.Sprintf("the servers lost about %.0f mutations of %s instead of shipping them (dup_recent_mutation_loss_count, dup_recent_lost_mutations): the target lacks rows", n, t)
	if b.r.handedOver() {
		if !b.r.loss.told {
			b.r.loss.told = true
			b.warn(CodeLoss, text, "the target has taken over; keep the source and copy back what is missing")
		}
		return nil
	}
	hint := "`" + b.r.rollbackCommand() + "`, drop the follower if it is left, and apply again"
	if _, a, err := b.r.duplicationStep(); err == nil && a.FailMode == "skip" {
		hint += "; fail_mode = \"skip\" lets servers skip damaged blocks of their log, with \"slow\" they wait for you"
	}
	return &StepError{Step: b.id, Code: CodeLoss, Text: text, Hint: hint}
}

// watchLoss looks for losses until the returned function is called, which waits for it.
func (b base) watchLoss(ctx context.Context, t plan.TableRef) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pause(ctx, b.r.Waits.DuplicationSync/2) {
			b.r.loss.look(ctx, b, t, false)
		}
	}()
	return func() { cancel(); <-done }
}

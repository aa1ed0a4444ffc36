package apply

import (
	"context"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
)

// rejectedWatch tells of writes that the source refuses because it is being duplicated: incr,
// check_and_set and check_and_mutate fail from then on (need_reject_non_idempotent).
type rejectedWatch struct {
	first, told float64
	known       bool
	next        time.Time
}

// look reads the counter now and then. One that cannot be read is no reason to stop.
func (w *rejectedWatch) look(ctx context.Context, b base, t plan.TableRef) {
	now := b.r.Now()
	if now.Before(w.next) {
		return
	}
	w.next = now.Add(3 * b.r.Waits.DuplicationSync)
	call, cancel := b.call(ctx)
	defer cancel()
	n, err := b.r.World.Duplications.Rejected(call, t)
	if err != nil || n < 0 {
		return
	}
	if !w.known || n < w.first {
		w.first, w.told, w.known = n, n, true
		return
	}
	if n == w.told {
		return
	}
	// The first time, and then only when there are many more.
	if w.told > w.first && n-w.first < 10*(w.told-w.first) {
		return
	}
	w.told = n
	b.warn(CodeDuplication, fmt.Sprintf("%.0f writes of %s were refused as not idempotent since this step began: its clients use incr, check_and_set or check_and_mutate, which fail as long as it is duplicated",
		n-w.first, t), "`"+b.r.rollbackCommand()+"` lets them work again")
}

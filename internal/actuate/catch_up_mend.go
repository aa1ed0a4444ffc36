package actuate

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
)

const (
	// mendsAtOnce is how many rows are brought over at the same time: enough to keep the servers busy, and so
	// few that clients of the target's servers do not notice.
	mendsAtOnce = 128
	// keptKeys is how many keys are remembered to be read again, some tens of MB. With more of them another
	// pass over everything takes less time than reading each.
	keptKeys = 200_000
)

// mender makes rows of the target what the source's are, many at a time. Each key comes once, so that no two
// writes of one key are under way.
type mender struct {
	cancel context.CancelFunc // ends the comparison when a row cannot be written
	target *pegasus.Table
	rows   differ.Selection // rows are written as a copy of these writes them
	keep   bool
	now    func() time.Time
	room   *semaphore.Weighted

	work sync.WaitGroup
	mu   sync.Mutex
	err  error

	written, deleted uint64
	keys             [][]byte
	tooMany          bool
}

func newMender(cancel context.CancelFunc, target *pegasus.Table, rows differ.Selection, keep bool, now func() time.Time) *mender {
	return &mender{cancel: cancel, target: target, rows: rows, keep: keep, now: now, room: semaphore.NewWeighted(mendsAtOnce)}
}

// mend begins to bring one row over; it waits while as many as are allowed are under way. A misplaced row is
// left alone: a request for its key goes to the partition that its hash selects, not to where it lies.
func (m *mender) mend(ctx context.Context, d differ.Difference) {
	if d.Action() == differ.LeaveRow || m.room.Acquire(ctx, 1) != nil {
		return
	}
	key := slices.Clone(d.Key)
	if !expiring(&d, m.now()) { // what expires while a pass reads is no reason for another one
		m.remember(key)
	}
	if d.Action() == differ.DeleteRow {
		m.begin(ctx, func(ctx context.Context) error { return m.target.Remove(ctx, key) }, &m.deleted)
		return
	}
	row := clone(m.rows.Wanted(d.Source))
	m.begin(ctx, func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		return putAndWait(ctx, m.target, row, deadline)
	}, &m.written)
}

func (m *mender) remember(key []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case !m.keep:
	case len(m.keys) < keptKeys:
		m.keys = append(m.keys, key)
	default:
		m.tooMany = true
	}
}

func (m *mender) begin(ctx context.Context, write func(context.Context) error, count *uint64) {
	m.work.Go(func() {
		defer m.room.Release(1)
		ctx, cancel := context.WithTimeout(ctx, repairLimit)
		defer cancel()
		err := write(ctx)
		m.mu.Lock()
		defer m.mu.Unlock()
		if err == nil {
			*count++
			return
		}
		if m.err == nil {
			m.err = fmt.Errorf("bring a row over: %w", err)
			m.cancel()
		}
	})
}

// wait is until every row that was begun is written, or is not. The error is that of the first that is not.
func (m *mender) wait() error {
	m.work.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

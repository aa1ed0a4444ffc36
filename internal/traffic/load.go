package traffic

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// slotsPerWorker is how many keys a worker of a writer writes.
	slotsPerWorker = 64
	// deleteShare and ttlShare of the writes are deletes, and puts with an expiry.
	deleteShare = 0.1
	ttlShare    = 0.1
	// ttl is longer than any run, so that nothing expires while it is looked at.
	ttl = 72 * time.Hour
	// counters is how many rows an incr client adds to.
	counters = 32
)

// load is one client at work.
type load struct {
	spec    clientSpec
	client  Client
	meter   *meter
	ledger  *ledger
	journal *Journal
	writes  *meter // of all writers together
	limit   *rate.Limiter
	workers int
	size    int // of values, in bytes
	// found are rows that were there before, by worker; nil for none.
	found [][]*slot
	// refused is told about the first failed operation of an incr client.
	refused func(name string, f Failure)
	told    sync.Once
}

// run works until ctx ends; operations under way are finished. The error is that of the journal.
func (l *load) run(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make(chan error, l.workers)
	for i := range l.workers {
		var slots []*slot
		if l.spec.kind == kindWriter {
			if l.found != nil {
				slots = append(slots, l.found[i]...)
			}
			for j := range slotsPerWorker {
				slots = append(slots, l.ledger.add(fmt.Sprintf("%s-%s-%d-%d", l.spec.name, l.ledger.run, i, j)))
			}
		}
		wg.Go(func() { errs <- l.work(ctx, i, slots) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// work is one worker: one operation after the other, at the client's rate.
func (l *load) work(ctx context.Context, worker int, slots []*slot) error {
	random := rand.New(rand.NewPCG(uint64(worker), rand.Uint64()))
	// What has begun is finished after ctx has ended: the operation's own timeout bounds it.
	op := context.WithoutCancel(ctx)
	for l.limit.Wait(ctx) == nil {
		began := time.Now()
		switch l.spec.kind {
		case kindWriter:
			r, err := l.write(op, slots[random.IntN(len(slots))], random)
			if err != nil {
				return err
			}
			l.meter.count(worker, began, r)
			l.writes.count(worker, began, r)
		case kindReader:
			l.meter.count(worker, began, l.read(op, random))
		case kindIncr:
			l.meter.count(worker, began, l.client.Incr(op, Key{Hash: fmt.Sprintf("%s-%d", l.spec.name, random.IntN(counters)), Sort: "n"}, 1))
			l.tellRefused()
		}
	}
	return nil
}

// write does one write. No other worker writes the slot.
func (l *load) write(ctx context.Context, s *slot, random *rand.Rand) (Result, error) {
	s.mu.Lock()
	key, fresh := s.key(), s.fresh()
	s.mu.Unlock()
	e := entry{Op: opPut, Hash: key.Hash, Sort: key.Sort, Client: l.spec.name}
	if !fresh && random.Float64() < deleteShare {
		e.Op = opDelete
	}
	n, err := l.journal.send(e, l.size)
	if err != nil {
		return Result{}, err
	}
	s.mu.Lock()
	s.sent = n
	s.mu.Unlock()
	r := l.do(ctx, key, e.Op, n, random)
	end := endRefused
	s.mu.Lock()
	switch {
	case r.Err == nil && r.Unsure:
		end = endAckedOpen
	case r.Err == nil:
		end = endAcked
	case r.Unsure:
		end = endOpen
	}
	switch end {
	case endAcked:
		s.acked, s.deleted = n, e.Op == opDelete
	case endRefused:
		s.sent = s.acked
	default:
		s.generation++
		s.sent, s.acked, s.deleted = 0, 0, false
	}
	s.mu.Unlock()
	return r, l.journal.end(n, end, r)
}

func (l *load) do(ctx context.Context, key Key, op string, n int64, random *rand.Rand) Result {
	switch {
	case op == opDelete:
		return l.client.Delete(ctx, key)
	case random.Float64() < ttlShare:
		return l.client.Put(ctx, key, valueOf(n, l.size), ttl)
	}
	return l.client.Put(ctx, key, valueOf(n, l.size), 0)
}

// read reads a key of a writer, or one that is not there while there is no writer.
func (l *load) read(ctx context.Context, random *rand.Rand) Result {
	s := l.ledger.pick(random)
	if s == nil {
		_, r := l.client.Get(ctx, Key{Hash: fmt.Sprintf("%s-%d", l.spec.name, random.IntN(1<<16)), Sort: "s"})
		return r
	}
	before := s.expect()
	value, r := l.client.Get(ctx, before.key)
	if r.Err == nil && stale(before, s.expect(), value) {
		l.meter.stale()
	}
	return r
}

// tellRefused tells about the first failure of an incr client.
func (l *load) tellRefused() {
	if f := l.meter.firstFailure(); f != nil {
		l.told.Do(func() { l.refused(l.spec.name, *f) })
	}
}

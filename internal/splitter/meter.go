package splitter

import (
	"sync"
	"time"
)

// meter adds up what all workers have done.
type meter struct {
	mu    sync.Mutex
	now   Progress
	start time.Time
}

// read counts bytes of the source.
func (m *meter) read(bytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Read += int64(bytes)
}

// count replaces what a worker had told before by what it counts now.
func (m *meter) count(now, before Counts) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &m.now.Counts
	c.In += now.In - before.In
	c.Out += now.Out - before.Out
	c.Expired += now.Expired - before.Expired
	c.Filtered += now.Filtered - before.Filtered
	c.Leftover += now.Leftover - before.Leftover
	c.Misplaced += now.Misplaced - before.Misplaced
}

// done counts a target partition that is finished. Its rows are counted here when an earlier run wrote it.
func (m *meter) done(rec partitionRecord, earlier bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.PartitionsDone++
	m.now.Files += len(rec.Files)
	m.now.Bytes += bytesOf(rec.Files)
	if earlier {
		m.now.Counts.add(rec.Counts)
		m.now.KeptRows += rec.In
	}
}

func (m *meter) look() Progress {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.now
	p.Elapsed = time.Since(m.start)
	return p
}

// reportEvery is the time between two reports.
const reportEvery = 500 * time.Millisecond

// reports tells how far it is until stop is called, and then once more.
func (m *meter) reports(report func(Progress)) (stop func()) {
	if report == nil {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(reportEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				report(m.look())
			case <-end:
				report(m.look())
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

package pegasus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// Refresh asks the meta where the partitions are. A table that was dropped, replaced or
// split gives a *TableChangedError, then and for every later request; a Refresh that
// finds the opened table again ends that.
func (t *Table) Refresh(ctx context.Context) error {
	t.refreshLock.Lock()
	defer t.refreshLock.Unlock()
	cfg, err := t.c.partitionConfigs(ctx, t.name)
	if err != nil {
		if code, ok := CodeOf(err); ok && gone(code) {
			err = &TableChangedError{Table: t.name, What: "the meta no longer serves it", Err: err}
			t.broken.Store(&brokenReason{err})
		}
		return fmt.Errorf("refresh table %s: %w", t.name, err)
	}
	if err := t.install(cfg); err != nil {
		return fmt.Errorf("refresh table %s: %w", t.name, err)
	}
	return nil
}

// gone tells whether the meta's code means that the table of this name is no more.
func gone(code idl.ErrorCode) bool {
	switch code {
	case idl.ErrObjectNotFound, idl.ErrAppNotExist, idl.ErrAppDropped, idl.ErrBusyDropping, idl.ErrBusyCreating:
		return true
	}
	return false
}

// install makes cfg the routes, or finds that the table has changed.
func (t *Table) install(cfg *TableConfig) error {
	var what string
	switch count := int32(len(cfg.Partitions)); {
	case cfg.AppID != t.id:
		what = fmt.Sprintf("its id was %d and is now %d: it was dropped and created again", t.id, cfg.AppID)
	case count != t.count:
		what = fmt.Sprintf("it had %d partitions and now has %d: it was split", t.count, count)
	}
	if what != "" {
		err := &TableChangedError{Table: t.name, What: what}
		t.broken.Store(&brokenReason{err})
		return err
	}
	routes := make([]route, t.count)
	var old []route
	if p := t.routes.Load(); p != nil {
		old = *p
	}
	for i, p := range cfg.Partitions {
		// A meta that has just lost its leadership may answer with an older state.
		if old != nil && p.Ballot < old[i].ballot {
			routes[i] = old[i]
			continue
		}
		routes[i] = route{addr: p.Primary, ballot: p.Ballot}
		if p.Primary == "" {
			continue
		}
		conn, err := t.c.node(p.Primary)
		if err != nil {
			return err
		}
		routes[i].conn = conn
	}
	t.routes.Store(&routes)
	t.broken.Store(nil)
	return nil
}

// refreshSoon refreshes in the background, once for all who ask meanwhile. A table
// behind a fence has thousands of rows that ask; the meta must not notice much.
func (t *Table) refreshSoon() {
	if !t.refreshing.CompareAndSwap(false, true) {
		return
	}
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	if t.c.closed {
		return
	}
	t.c.wg.Go(func() {
		before := t.routes.Load()
		if time.Since(t.refreshed) > 2*maxRefresh {
			t.refreshGap = minRefresh
		}
		// Errors show in the requests that wait for a route: nothing else is lost.
		_ = t.Refresh(context.Background())
		if slices.Equal(*before, *t.routes.Load()) {
			t.refreshGap = min(2*max(t.refreshGap, minRefresh), maxRefresh)
		} else {
			t.refreshGap = minRefresh
		}
		t.c.rest(context.Background(), t.refreshGap)
		t.refreshed = time.Now()
		t.refreshing.Store(false)
	})
}

// routeOf is the route of a partition; the error says why there is none.
func (t *Table) routeOf(partition int32) (*route, error) {
	if err := t.reason(); err != nil {
		return nil, err
	}
	r := &(*t.routes.Load())[partition]
	if r.conn == nil {
		return r, errNoPrimary
	}
	return r, nil
}

// changed tells whether err says that the table is not the one that was opened.
func changed(err error) bool {
	var tc *TableChangedError
	return errors.As(err, &tc)
}

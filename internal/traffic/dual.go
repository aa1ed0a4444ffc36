package traffic

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// Side is one of the clusters whose tables a dual writer writes.
type Side struct {
	Cluster string
	// Metas are asked instead of proxies.
	Metas []string
	// Share is the share of keys that are written there, above 0 to 1; 0 means 1. A writer that keeps some
	// to itself is a mistake that somebody has to find.
	Share float64
}

const (
	// dualPatience is how long a dual writer repeats what a side does not take.
	dualPatience = time.Minute
	// dualPause lies between two tries.
	dualPause = 50 * time.Millisecond
)

// dual writes the same to the tables of several clusters, one after the other, each until it has it: what
// method "dual_write" asks of applications. It reads from the first one.
type dual struct {
	sides    []Client
	shares   []float64
	patience time.Duration
	repeated atomic.Int64
}

var _ Client = (*dual)(nil)

// openDual opens a client per side.
func openDual(sides []Side, open func(Side) (Client, error)) (Client, error) {
	d := &dual{patience: dualPatience}
	for _, s := range sides {
		c, err := open(s)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("cluster %s: %w", s.Cluster, err), d.Close())
		}
		share := s.Share
		if share == 0 {
			share = 1
		}
		d.sides, d.shares = append(d.sides, c), append(d.shares, share)
	}
	return d, nil
}

// takes tells whether a key is written to a side: always or never.
func (d *dual) takes(i int, k Key) bool {
	if d.shares[i] >= 1 {
		return true
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(k.Hash + "\x00" + k.Sort)) // never fails
	return float64(h.Sum32()%1000) < 1000*d.shares[i]
}

// both does the same on every side. What is done on one side and not on another is open, not refused.
func (d *dual) both(ctx context.Context, k Key, do func(Client) Result) Result {
	var all Result
	done := 0
	for i, side := range d.sides {
		if !d.takes(i, k) {
			continue
		}
		r := d.until(ctx, &all, func() Result { return do(side) })
		if all.Server == "" {
			all.Server = r.Server
		}
		all.Code, all.Err = r.Code, r.Err
		if r.Err != nil {
			all.Server, all.Unsure = "", all.Unsure || done > 0
			return all
		}
		done++
	}
	return all
}

// until repeats an operation until it is acknowledged, and adds up what its attempts may have done.
func (d *dual) until(ctx context.Context, all *Result, do func() Result) Result {
	deadline := time.Now().Add(d.patience)
	for n := 0; ; n++ {
		r := do()
		all.Attempts += r.Attempts
		all.Unsure = all.Unsure || r.Unsure
		all.expires(r)
		if n == 1 {
			d.repeated.Add(1)
		}
		if r.Err == nil || !time.Now().Before(deadline) || !wait(dualPause, ctx.Done()) {
			return r
		}
	}
}

// expires takes down with which expiry an attempt wrote: each turns the time to live into a moment anew.
func (r *Result) expires(attempt Result) {
	switch {
	case attempt.Expire == 0:
	case r.Expire == 0:
		r.Expire, r.Later = attempt.Expire, attempt.Later
	default:
		first, last := min(r.Expire, attempt.Expire), max(r.Expire+r.Later, attempt.Expire+attempt.Later)
		r.Expire, r.Later = first, last-first
	}
}

// Put implements Client.
func (d *dual) Put(ctx context.Context, k Key, value []byte, ttl time.Duration) Result {
	return d.both(ctx, k, func(c Client) Result { return c.Put(ctx, k, value, ttl) })
}

// Delete implements Client.
func (d *dual) Delete(ctx context.Context, k Key) Result {
	return d.both(ctx, k, func(c Client) Result { return c.Delete(ctx, k) })
}

// Get implements Client.
func (d *dual) Get(ctx context.Context, k Key) ([]byte, Result) { return d.sides[0].Get(ctx, k) }

// Incr implements Client. It is refused: the tables do not hold the same numbers before the end.
func (d *dual) Incr(context.Context, Key, int64) Result {
	return Result{Err: errors.New("a dual writer does not increment")}
}

// Stats implements Client.
func (d *dual) Stats() ClientStats {
	sum := ClientStats{Repeated: d.repeated.Load()}
	for _, side := range d.sides {
		s := side.Stats()
		sum.Queries += s.Queries
		sum.Reopened += s.Reopened
	}
	return sum
}

// Close implements Client.
func (d *dual) Close() error {
	var errs []error
	for _, side := range d.sides {
		errs = append(errs, side.Close())
	}
	return errors.Join(errs...)
}

// adopt takes rows into the journal as if the run had written them, and gives them to workers in turn. Rows
// whose key or value is no text, which a journal cannot hold, are left out.
func adopt(journal *Journal, keys *ledger, rows []Row, workers int) ([][]*slot, error) {
	out := make([][]*slot, workers)
	n := 0
	for _, row := range rows {
		hash, sort, err := pegkey.Decode(row.Key)
		if err != nil {
			return nil, fmt.Errorf("rows: %w", err)
		}
		if len(hash) == 0 || !utf8.Valid(row.Key[2:]) || !utf8.Valid(row.Value) {
			continue
		}
		k := Key{string(hash), string(sort)}
		if err := journal.found(k, string(row.Value), row.Expire); err != nil {
			return nil, err
		}
		s := keys.add(fmt.Sprintf("found-%s-%d", keys.run, n))
		s.found = &k
		out[n%workers] = append(out[n%workers], s)
		n++
	}
	return out, nil
}

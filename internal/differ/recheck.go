package differ

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

const (
	// rechecks is how often an unequal key is read, with recheckPause in between: a server that has
	// just stopped being the primary may answer once more.
	rechecks     = 3
	recheckPause = 200 * time.Millisecond
)

// Recheck reads keys on both sides, now that nothing changes any more: what is unequal is a
// difference. The result counts these keys only. Of opts it uses Tolerance, Clock, both TTLs and
// GiveUpAfter; the limits of rows and bytes per second do not hold, because it runs while writes are
// rejected. It ends with ctx, or with a *ReadError when a key cannot be read for GiveUpAfter.
func Recheck(ctx context.Context, src, dst LiveTable, keys [][]byte, opts LiveOptions) (Result, error) {
	opts.Still = true
	opts.Options = opts.withDefaults().Options.withDefaults()
	c := &recheck{src: src, dst: dst, limit: opts.GiveUpAfter, rules: liveRules(&opts)}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(looksAtOnce)
	for _, key := range keys {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error { return c.key(gctx, key) })
	}
	err := g.Wait()
	if err == nil {
		err = ctx.Err()
	}
	return c.out, err
}

// recheck is one call of Recheck.
type recheck struct {
	src, dst LiveTable
	rules    rules
	limit    time.Duration

	mu  sync.Mutex
	out Result
}

// key reads one key on both sides.
func (c *recheck) key(ctx context.Context, key []byte) error {
	for n := 1; ; n++ {
		source, err := readRow(ctx, c.src, SourceSide, key, c.limit)
		if err != nil {
			return err
		}
		target, err := readRow(ctx, c.dst, TargetSide, key, c.limit)
		if err != nil {
			return err
		}
		v, kind := c.rules.judge(source, target)
		if v != unequal || n == rechecks {
			c.count(v, Difference{Kind: kind, Key: key, Source: source, Target: target,
				SourcePartition: home(key, c.src), TargetPartition: home(key, c.dst)})
			return nil
		}
		if err := scan.Sleep(ctx, recheckPause); err != nil {
			return err
		}
	}
}

// count takes one key into account.
func (c *recheck) count(v verdict, d Difference) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.Source != nil {
		c.out.SourceRows++
		c.out.SourceBytes += uint64(len(d.Source.Key) + len(d.Source.Value))
	}
	if d.Target != nil {
		c.out.TargetRows++
	}
	if v == unequal {
		c.out.count(&d)
		if len(c.out.First) < keepFirst {
			c.out.First = append(c.out.First, d.Shown())
		}
		return
	}
	c.out.Counts.settle(v)
}

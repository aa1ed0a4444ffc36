package apply

import (
	"context"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
)

// recompareRows bounds the tables that are compared as a whole behind the fence although nobody asked
// for it: with more rows the attempt would only cost clients time.
const recompareRows = 2_000_000

// recompare compares everything once more behind the drain, when that takes next to no time. A write
// between the live comparison and the fence is otherwise proven by decrees alone, and servers up to 2.6
// may ship two writes to one key in the wrong order (pegasus_mutation_duplicator.cpp, _inflights is
// ordered by the hash of a batch's key). ok is false when it was not done, or not in time: then nothing
// is known but what the live comparison left open.
func (k *recheckRunner) recompare(ctx context.Context, live LiveOutcome) (out LiveOutcome, ok bool, err error) {
	limit, rows := k.r.Waits.Recompare, live.SourceRows
	if cap := k.a.Limits.RowsPerSecond; rows > recompareRows || cap > 0 && time.Duration(rows)*time.Second/time.Duration(cap) > limit {
		return out, false, nil
	}
	left, bounded, err := k.r.windowLeft(ctx)
	if err != nil || bounded && left < 2*limit {
		return out, false, err
	}
	short, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out, err = k.r.World.Live.CompareLive(short, LiveJob{Source: k.a.Source, Target: k.a.Target, Limits: k.a.Limits,
		Still: true, Report: func(p event.MoveProgress) { p.Step = k.id; k.r.Sink.Emit(p) }})
	if err != nil && short.Err() != nil && ctx.Err() == nil {
		return LiveOutcome{}, false, nil
	}
	return out, err == nil, err
}

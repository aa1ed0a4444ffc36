package apply

import (
	"context"
	"fmt"

	"github.com/pegmigrate/pegmigrate/plan"
)

// Until a follower has opened its checkpoints, a duplication rests on the primaries that it began
// with. Each notes the decree from which it will ship and writes a checkpoint up to there; the decree
// is stored by the meta, the wish for the checkpoint is not. A primary that takes over goes on with the
// stored decree and offers the checkpoint that it happens to have: what lies between the two never
// reaches the target, and the lag reads as if it had (replica_duplicator.cpp, _start_point_decree;
// replica_chkpt.cpp, on_query_last_checkpoint; apache/incubator-pegasus #2097). One that takes over
// before anything is stored begins with its own last decree.

// ledBy is who led a partition.
type ledBy struct {
	Primary string `json:"primary"`
	Ballot  int64  `json:"ballot"`
}

// leaders reads the primaries of a table, by partition.
func (b base) leaders(ctx context.Context, t plan.TableRef) (out []ledBy, err error) {
	err = b.insist(ctx, "read the primaries of "+t.String(), func(ctx context.Context) error {
		lags, err := b.lagsOnce(ctx, t, 0)
		if err == nil {
			out = leadersOf(lags)
		}
		return err
	})
	return out, err
}

func leadersOf(lags []Lag) []ledBy {
	out := make([]ledBy, len(lags))
	for i, l := range lags {
		out[i] = ledBy{l.Primary, l.Ballot}
	}
	return out
}

// began looks whether the primaries are those that the duplication began with. They are forgotten once
// it ships the log of every partition from a decree that is stored.
func (f *followRunner) began(s followed) error {
	memory, err := f.r.duplicationMemory()
	if err != nil || memory.Opened {
		return err
	}
	if s.entry.Status == dsLog && s.unknown == 0 {
		return f.r.rememberDuplication(func(p *duplicationProof) { p.Opened, p.Leaders = true, nil })
	}
	if len(memory.Leaders) == 0 { // the state that knew them was lost
		return f.r.rememberDuplication(func(p *duplicationProof) { p.Leaders = leadersOf(s.lags) })
	}
	for i, l := range s.lags {
		if i >= len(memory.Leaders) || l.Primary == "" || memory.Leaders[i] == (ledBy{l.Primary, l.Ballot}) || f.moved[l.Partition] {
			continue
		}
		if f.moved == nil {
			f.moved = map[int32]bool{}
		}
		f.moved[l.Partition] = true
		if err := f.tellMoved(l, memory.Leaders[i]); err != nil {
			return err
		}
	}
	return nil
}

// tellMoved tells of one partition. A comparison of all rows is what finds whether anything is missing;
// without one nothing would.
func (f *followRunner) tellMoved(l Lag, then ledBy) error {
	what := fmt.Sprintf("the primary of partition %d moved from %s to %s", l.Partition, then.Primary, l.Primary)
	moved := then.Primary != l.Primary
	if !moved {
		what = fmt.Sprintf("the replicas of partition %d changed (ballot %d, now %d), its primary may have been restarted", l.Partition, then.Ballot, l.Ballot)
	}
	what += " before the follower had its checkpoint: the follower may lack what was written shortly before the duplication was added"
	if moved && !f.comparesAll() {
		return &StepError{Step: f.id, Code: CodeDuplication, Text: what + ", and nothing compares the rows",
			Hint: "`" + f.r.rollbackCommand() + "`, drop the follower if it is left, and apply again, with verify { mode = \"full\" } or with `set_meta_level steady` for the source until the follower is there"}
	}
	f.warn(CodeDuplication, what, "the comparison before the cut-over finds what is missing; nothing has to be done now")
	return nil
}

// comparesAll says whether the plan compares all rows before clients are moved.
func (f *followRunner) comparesAll() bool {
	if _, live := firstStep[plan.CompareLive](f.r.Plan); live {
		return true
	}
	step, ok := firstStep[plan.RecheckKeys](f.r.Plan)
	return ok && step.Action.(plan.RecheckKeys).Full
}

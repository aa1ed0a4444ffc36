package apply

import (
	"context"
	"fmt"

	"github.com/pegmigrate/pegmigrate/plan"
)

// takesClients proves that every partition of the table which clients are about to be led to accepts a
// write. Behind the switch a deny env there would leave clients with no side at all.
func (b base) takesClients(ctx context.Context) error {
	step, ok := firstStep[plan.Drain](b.r.Plan)
	if !ok {
		return nil
	}
	t := step.Action.(plan.Drain).Target
	s, err := b.table(ctx, t)
	if err != nil {
		return err
	}
	if err := b.opensTo(t, s); err != nil {
		return err
	}
	return b.proveAll(ctx, t, newFenceRound(partitionsOf(s), Accepted), nil)
}

// notClosed looks at the deny env alone, before anything is waited for: once it is in force nothing that
// is shipped arrives either, and the lag would be waited for in vain.
func (b base) notClosed(ctx context.Context) error {
	step, ok := firstStep[plan.Drain](b.r.Plan)
	if !ok {
		return nil
	}
	t := step.Action.(plan.Drain).Target
	s, err := b.table(ctx, t)
	if err != nil {
		return err
	}
	return b.opensTo(t, s)
}

// opensTo refuses a table whose envs deny clients.
func (b base) opensTo(t plan.TableRef, s TableState) error {
	if deny := s.Envs[plan.EnvDeny]; deny != "" {
		return &StepError{Step: b.id, Code: CodeFence,
			Text: fmt.Sprintf("%s denies clients: %s is %q", t, plan.EnvDeny, deny),
			Hint: fmt.Sprintf("nobody is led there; find out who set it, then in the shell of cluster %s: use %s; del_app_envs %s; then run the same command again",
				t.Cluster, t.Table, plan.EnvDeny)}
	}
	return nil
}

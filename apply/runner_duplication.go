package apply

import "github.com/pegmigrate/pegmigrate/plan"

// duplicationRunner maps the actions of method duplication to code, but for those of its window; nil
// for others.
func (r *Run) duplicationRunner(b base, step plan.Step) runner {
	switch a := step.Action.(type) {
	case plan.ParkEnvs:
		return &parkEnvsRunner{b, a}
	case plan.UnparkEnvs:
		return &unparkRunner{base: b, a: a}
	case plan.AddDuplication:
		return &addRunner{b, a}
	case plan.FollowDuplication:
		return &followRunner{base: b, a: a}
	case plan.AwaitLag:
		return &lagRunner{base: b, a: a}
	case plan.CompareLive:
		return &compareRunner{b, a}
	case plan.HoldBalancer:
		return &holdRunner{base: b, a: a}
	case plan.ReleaseBalancer:
		return &releaseRunner{b, a}
	case plan.ProveTraffic:
		return &trafficRunner{base: b, a: a}
	case plan.RemoveDuplication:
		return &endRunner{b, a}
	case plan.DeleteEnvs:
		return &deleteEnvsRunner{b, a}
	case plan.AddReturn:
		return &returnRunner{b, a}
	case plan.AwaitReturn:
		return &readyRunner{base: b, a: a}
	case plan.HoldTicket:
		return &ticketRunner{b, a}
	case plan.RemoveReturn:
		return &endReturnRunner{b, a}
	case plan.Deny:
		return &denyRunner{base: b, a: a}
	case plan.DropTable:
		return &dropSourceRunner{b, a}
	}
	return nil
}

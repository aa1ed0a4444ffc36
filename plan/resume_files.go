package plan

import "github.com/pegmigrate/pegmigrate/schema"

// withRates gives the steps that limit transfers the ramp that is declared now, and a fence before a backup its
// budget: both may change on the way. A ramp that is declared no longer stays as it was planned. steps is changed in
// place.
func withRates(steps []Step, limits schema.Limits) []Step {
	files := false
	for i, s := range steps {
		switch a := s.Action.(type) {
		case LimitRate:
			if r := limits.SendRate; r != nil {
				a.Ramp = Ramp{Start: r.Start, Step: r.Step, Max: r.Max, Every: r.Every}
				s.Action = a
			}
		case Backup:
			files = true
		}
		steps[i] = s
	}
	for i, s := range steps {
		if a, ok := s.Action.(Fence); ok && files && a.Predicted > 0 {
			a.Budget = limits.WriteReject
			steps[i].Action = a
		}
	}
	return steps
}

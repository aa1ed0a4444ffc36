package plan

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/schema"
)

// withCutover gives the steps of a cut-over what is declared now and may change on the way: a proxy
// that is gone for good must not keep a run from its end. steps is changed in place.
func (b *builder) withCutover(steps []Step, method *schema.DuplicationMethod) []Step {
	c := method.Cutover
	for i, s := range steps {
		switch a := s.Action.(type) {
		case AwaitLag:
			a.Threshold = c.LagThreshold
			s.Action, s.Why = a, b.whyLag(c)
		case SwitchRoute:
			if c.MetaProxy != nil {
				a.Route.Proxies = c.MetaProxy.Proxies
				s.Action = a
			}
		case Evict:
			if c.MetaProxy != nil {
				a.Route.Proxies = c.MetaProxy.Proxies
				s.Action, s.Why = a, b.whyEvict(a.Route)
			}
		case ProveTraffic:
			a.For = c.TrafficProof
			s.Action, s.Why, s.Estimate = a, b.whyTraffic(c), estimateProof(c)
		}
		steps[i] = s
	}
	return steps
}

func (b *builder) whyLag(c *schema.Cutover) string {
	return fmt.Sprintf("lag under %s mutations on each of %s, and a drain that fits the budget",
		Rows(uint64(c.LagThreshold)), plural(int(b.partitions), "partition"))
}

func (b *builder) whyEvict(r Route) string {
	return fmt.Sprintf("every proxy (%d) leads there; deny reads too (%s), proven on %s", len(r.Proxies), EvictMode,
		plural(int(b.partitions), "partition"))
}

func (b *builder) whyTraffic(c *schema.Cutover) string {
	return fmt.Sprintf("%s to 0, %s at 90 %% of before or more, no failures on either side for %s", b.source, b.target,
		Duration(c.TrafficProof))
}

func estimateProof(c *schema.Cutover) Estimate {
	return Estimate{Duration: c.TrafficProof, Low: c.TrafficProof, High: 2 * c.TrafficProof}
}

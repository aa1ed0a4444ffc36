package apply

import (
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// KindCertificate is the kind of the blob in state.Document.Certificate: a Certificate, version 1.
const KindCertificate = "certificate"

// Certificate is the evidence of a cut-over, or of a catch-up: who proved what, when. It is filled in as the proofs come;
// what is zero was not reached, or not asked for.
type Certificate struct {
	Migration string         `json:"migration"`
	Lineage   string         `json:"lineage"`
	PlanID    string         `json:"plan_id"`
	Source    plan.TableRef  `json:"source"`
	Target    plan.TableRef  `json:"target"`
	Compared  ComparedCounts `json:"compared"`
	// The moments of the window, in order.
	FirstRejected time.Time `json:"first_rejected,omitzero"` // the first partition rejected a write
	Fenced        time.Time `json:"fenced,omitzero"`         // the last one did
	Frozen        time.Time `json:"frozen,omitzero"`         // the last decree was frozen
	Quiesced      time.Time `json:"quiesced,omitzero"`       // all frozen decrees were committed
	Drained       time.Time `json:"drained,omitzero"`        // all frozen decrees were shipped
	Rechecked     time.Time `json:"rechecked,omitzero"`      // open keys were equal
	CaughtUp      time.Time `json:"caught_up,omitzero"`      // what differed was brought over, read again, and equal
	Lifted        time.Time `json:"lifted,omitzero"`         // the source took writes again
	Switched      time.Time `json:"switched,omitzero"`       // the route led to the target, read back
	Resolved      time.Time `json:"resolved,omitzero"`       // every proxy led there
	Evicted       time.Time `json:"evicted,omitzero"`        // every partition of the source rejected a read
	// RecheckedKeys were unequal at the live comparison and equal behind the fence.
	RecheckedKeys int `json:"rechecked_keys"`
	// Written and Deleted are rows of the target that a catch-up changed behind the fence, Passes its passes.
	Written uint64 `json:"written,omitempty"`
	Deleted uint64 `json:"deleted,omitempty"`
	Passes  int    `json:"passes,omitempty"`

	Partitions  []PartitionCertificate `json:"partitions,omitempty"`
	RouteBefore *RouteRecord           `json:"route_before,omitempty"`
	RouteAfter  *RouteRecord           `json:"route_after,omitempty"`
	Proxies     []ProxyAnswer          `json:"proxies,omitempty"`
	Canaries    []Canary               `json:"canaries,omitempty"`
	Window      *event.CutOver         `json:"window,omitempty"`
	// Traffic holds the samples of source and target that ended the traffic proof.
	Traffic []TrafficProof `json:"traffic,omitempty"`
}

// TrafficProof is one look at both sides.
type TrafficProof struct {
	Source TrafficSample `json:"source"`
	Target TrafficSample `json:"target"`
}

// ComparedCounts is what the comparison that the cut-over rests on saw.
type ComparedCounts struct {
	SourceRows uint64 `json:"source_rows"`
	TargetRows uint64 `json:"target_rows"`
	Drifted    uint64 `json:"drifted,omitempty"`
}

func countsOf(o LiveOutcome) ComparedCounts {
	return ComparedCounts{SourceRows: o.SourceRows, TargetRows: o.TargetRows, Drifted: o.Drifted}
}

// PartitionCertificate is the proof of one partition: writes were rejected by its primary under this
// ballot, and every decree up to the one frozen behind that is on the target.
type PartitionCertificate struct {
	Partition     int32     `json:"partition"`
	Primary       string    `json:"primary"`
	Ballot        int64     `json:"ballot"`
	Fenced        time.Time `json:"fenced"`
	FrozenDecree  int64     `json:"frozen_decree"`
	FrozenAt      time.Time `json:"frozen_at"`
	ShippedDecree int64     `json:"shipped_decree"`
	ShippedAt     time.Time `json:"shipped_at"`
}

// parts splits the window. A plan that switches no route ends it with the recheck.
func (c *Certificate) parts(step string, budget, predicted time.Duration) *event.CutOver {
	rechecked := c.Rechecked
	if rechecked.IsZero() {
		rechecked = c.Drained
	}
	end := later(rechecked, c.Resolved)
	return &event.CutOver{Step: step,
		Spread: since(c.FirstRejected, c.Fenced), Quiesce: since(c.Fenced, c.Quiesced), Drain: since(c.Quiesced, c.Drained),
		Recheck: since(c.Drained, rechecked), Switch: since(rechecked, c.Switched), Resolve: since(c.Switched, c.Resolved),
		Total: since(c.FirstRejected, end), Budget: budget, Predicted: predicted}
}

// windowWithoutRoute reports the window of a plan that leads no client: it ends when everything is
// proven to be on the target.
func (r *Run) windowWithoutRoute(step plan.Step) error {
	if _, routed := firstStep[plan.SwitchRoute](r.Plan); routed {
		return nil
	}
	var window *event.CutOver
	err := r.certify(func(c *Certificate) {
		if c.Window == nil {
			c.Window = c.parts(step.ID, r.writeReject(), r.predicted())
			window = c.Window
		}
	})
	if err == nil && window != nil {
		r.Sink.Emit(*window)
	}
	return err
}

// certify changes the certificate in the state document, durably. Plans whose fence may stay for days have none.
func (r *Run) certify(change func(*Certificate)) error {
	if !r.guarded() {
		return nil
	}
	return r.Store.Update(func(d *state.Document) error {
		kept := &d.Certificate
		if r.Plan.Back {
			kept = &d.ReturnCertificate
		}
		c, _, err := unblob[Certificate](*kept, KindCertificate)
		if err != nil {
			return err
		}
		change(&c)
		c.Migration, c.Lineage, c.PlanID = d.Migration, d.Lineage, d.PlanFingerprint
		if r.Plan.Back {
			c.PlanID = r.Plan.ID
		}
		c.Source, c.Target = r.Plan.Source.TableRef, r.Plan.Target.TableRef
		*kept, err = blob(KindCertificate, c)
		return err
	})
}

// CertificateOf reads the certificate of a document; nil when there is none.
func CertificateOf(d *state.Document) (*Certificate, error) { return certificate(d.Certificate) }

// ReturnCertificateOf reads the certificate of a return; nil when there is none.
func ReturnCertificateOf(d *state.Document) (*Certificate, error) {
	return certificate(d.ReturnCertificate)
}

func certificate(b *state.Blob) (*Certificate, error) {
	c, ok, err := unblob[Certificate](b, KindCertificate)
	if err != nil || !ok {
		return nil, err
	}
	return &c, nil
}

// predicted is what the plan says of the window.
func (r *Run) predicted() time.Duration {
	for _, s := range r.Plan.Steps {
		if f, ok := s.Action.(plan.Fence); ok {
			return f.Predicted
		}
	}
	return 0
}

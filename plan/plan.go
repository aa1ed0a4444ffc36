package plan

import "time"

// FormatVersion is the version of the plan's JSON form. It changes when a reader of the old form
// would misread the new one.
const FormatVersion = 1

// TableRef names one table of one cluster. Cluster is the label of the cluster block in the
// configuration; it is never the name that the cluster reports.
type TableRef struct {
	Cluster string `json:"cluster"`
	Table   string `json:"table"`
}

// String gives "cluster/table".
func (r TableRef) String() string {
	if r.Cluster == "" {
		return "the backup of " + r.Table
	}
	return r.Cluster + "/" + r.Table
}

// Plan is one reviewed way from the observed facts to the declared migration.
type Plan struct {
	FormatVersion int    `json:"format_version"`
	ToolVersion   string `json:"tool_version"`
	// ID is the hash of everything else in the plan. It ties a saved plan to what was reviewed.
	ID        string `json:"id"`
	Migration string `json:"migration"`
	Method    string `json:"method"`
	// ConfigFingerprint covers the whole declaration, IdentityFingerprint leaves out what may be
	// changed while a migration is under way (limits, approvals).
	ConfigFingerprint   string   `json:"config_fingerprint"`
	IdentityFingerprint string   `json:"identity_fingerprint"`
	Source              Endpoint `json:"source"`
	Target              Endpoint `json:"target"`
	Clients             string   `json:"clients"` // what clients notice, in one line
	Return              string   `json:"return"`  // what can be undone, and until when
	Estimate            Estimate `json:"estimate"`
	Checks              []Check  `json:"checks"`
	Steps               []Step   `json:"steps"`
	Facts               []Fact   `json:"facts"`
	// Advice is what every method would take, in a plan of something that has not begun.
	Advice []Advice `json:"advice,omitempty"`
	// Back marks the plan of a return: the same cut-over backwards, with a return ticket. Its Source is
	// the table that clients are on, its Target the one that they come back to.
	Back bool `json:"back,omitempty"`
	// Progress is set when the migration is under way: the steps are then those that were planned
	// when it began, and this says how far it is. Never branch on it in apply: the state document
	// and the live clusters decide there.
	Progress *Progress `json:"progress,omitempty"`
}

// Endpoint is one side of the migration as it was observed, for the header of the plan.
type Endpoint struct {
	TableRef
	ClusterName string   `json:"cluster_name"` // as the cluster reports itself
	MetaServers []string `json:"meta_servers"`
	Exists      bool     `json:"exists"`
	ID          int32    `json:"id,omitempty"`
	Partitions  int32    `json:"partitions"` // wanted, when the table does not exist
	Replicas    int32    `json:"replicas"`
	Rows        uint64   `json:"rows,omitempty"`  // RocksDB's estimate
	Bytes       uint64   `json:"bytes,omitempty"` // on disk, one replica
}

// Step is one ordered piece of work.
type Step struct {
	ID     string // stable and human: "fence-source"
	Action Action
	Why    string // one sentence
	Impact string // what clients notice, "" when nothing
	Undo   Action // nil when there is nothing to compensate
	// Final marks the point of no return: neither this step nor an earlier one is undone after it.
	Final    bool
	Estimate Estimate
	Gate     string // "" or the approval that it waits for
}

// Estimate is a duration and an amount with a band. Zero values mean "a moment" and "nothing".
// It is for people: nothing may wait or give up because of an estimate.
type Estimate struct {
	Duration time.Duration `json:"duration_ns,omitempty"`
	Low      time.Duration `json:"low_ns,omitempty"`
	High     time.Duration `json:"high_ns,omitempty"`
	Rows     uint64        `json:"rows,omitempty"`
	Bytes    uint64        `json:"bytes,omitempty"`
}

// Plus adds two estimates of steps that run one after the other.
func (e Estimate) Plus(o Estimate) Estimate {
	return Estimate{
		Duration: e.Duration + o.Duration,
		Low:      e.Low + o.Low,
		High:     e.High + o.High,
		Rows:     max(e.Rows, o.Rows),
		Bytes:    e.Bytes + o.Bytes,
	}
}

// HasErrors says whether any check forbids apply.
func (p *Plan) HasErrors() bool {
	for _, c := range p.Checks {
		if c.Severity == Error {
			return true
		}
	}
	return false
}

// Changes says whether apply would have anything to do: the answer behind exit code 2 of
// -detailed-exitcode.
func (p *Plan) Changes() bool { return len(p.Steps) > 0 }

// Step returns the step with the given id.
func (p *Plan) Step(id string) (Step, bool) {
	for _, s := range p.Steps {
		if s.ID == id {
			return s, true
		}
	}
	return Step{}, false
}

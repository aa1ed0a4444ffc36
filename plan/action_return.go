package plan

import "time"

// AddReturn adds the duplication of a return ticket: from the table that is being moved to, back to the
// one that is left, of the log only. It is done when every partition has stored the decree that it
// begins with, before a client writes there. Fence holds it (DS_PAUSE) and AwaitReturn starts it again:
// the table that it goes to is fenced meanwhile, and every write that is shipped to a fenced table is
// counted there as a client's write that failed.
type AddReturn struct {
	// Source ships: the table that is moved to.
	Source TableRef `json:"source"`
	Target TableRef `json:"target"`
	// Remote is the own name of Target's cluster, the key in [pegasus.clusters].
	Remote   string `json:"remote"`
	FailMode string `json:"fail_mode"` // slow, skip, fast
}

// Duplication is the request that adds it.
func (a AddReturn) Duplication() AddDuplication {
	return AddDuplication{Source: a.Source, Target: a.Target, Remote: a.Remote, FailMode: a.FailMode, LogOnly: true}
}

// RemoveReturn ends the duplication that AddReturn added; both tables stay.
type RemoveReturn struct {
	Source TableRef `json:"source"`
	Target TableRef `json:"target"`
	Remote string   `json:"remote"`
}

// AwaitReturn starts the duplication of a return ticket and waits until what it has to ship is below
// Threshold on every partition, while no client is seen on Target.
type AwaitReturn struct {
	Source    TableRef `json:"source"`
	Target    TableRef `json:"target"`
	Remote    string   `json:"remote"`
	Threshold int64    `json:"threshold"`
	// For is how long after the switch a return stays possible.
	For time.Duration `json:"for_ns"`
}

// HoldTicket is a gate that opens by itself when the ticket's time is up. Until then apply looks at the
// duplication and at Target's clients, and ends with exit code 3.
type HoldTicket struct {
	Source    TableRef      `json:"source"`
	Target    TableRef      `json:"target"`
	Remote    string        `json:"remote"`
	Threshold int64         `json:"threshold"`
	For       time.Duration `json:"for_ns"`
}

// Deny rejects clients on a table that nobody uses any more, proven by a rejected write of each
// partition. It has no budget, and nothing lifts it: it is no fence of a window.
type Deny struct {
	Table TableRef `json:"table"`
	Mode  string   `json:"mode"` // value of replica.deny_client_request
}

// Kind implements Action.
func (AddReturn) Kind() string { return "add_return" }

// Kind implements Action.
func (RemoveReturn) Kind() string { return "remove_return" }

// Kind implements Action.
func (AwaitReturn) Kind() string { return "await_return" }

// Kind implements Action.
func (HoldTicket) Kind() string { return "hold_ticket" }

// Kind implements Action.
func (Deny) Kind() string { return "deny" }

func (AddReturn) sealed()    {}
func (RemoveReturn) sealed() {}
func (AwaitReturn) sealed()  {}
func (HoldTicket) sealed()   {}
func (Deny) sealed()         {}

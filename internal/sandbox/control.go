package sandbox

import "github.com/pegmigrate/pegmigrate/internal/idl"

// Operations of the control protocol: one request per connection as a line of JSON,
// answered by lines of output and a last line with a controlEnd.
const (
	opLoad    = "load"
	opDump    = "dump"
	opPattern = "pattern"
	opFault   = "fault"
	opClear   = "clear"
	opFaults  = "faults"
	opRoute   = "route"
	opShow    = "route-show"
	opShake   = "route-fault"
)

// controlRequest is what another process asks of a running sandbox.
type controlRequest struct {
	Op      string `json:"op"`
	Cluster string `json:"cluster"`
	Table   string `json:"table,omitempty"`
	// Partitions and Replicas are for a table that load has to create.
	Partitions int32       `json:"partitions,omitempty"`
	Replicas   int32       `json:"replicas,omitempty"`
	Load       LoadSpec    `json:"load,omitzero"`
	Pattern    PatternSpec `json:"pattern,omitzero"`
	Fault      Fault       `json:"fault,omitzero"`
	ID         int         `json:"id,omitempty"`
	// Record is written as it is; "" means the record that leads to Cluster.
	Record     string     `json:"record,omitempty"`
	RouteFault RouteFault `json:"route_fault,omitzero"`
}

// controlEnd is the last line of an answer.
type controlEnd struct {
	// End is always true; no other line starts with it.
	End   bool   `json:"end"`
	Error string `json:"error,omitempty"`
	// Code is the error's Pegasus code, if it has one.
	Code idl.ErrorCode `json:"code,omitempty"`
}

// endMark starts the last line of an answer.
const endMark = `{"end":true`

// dumpedRow is one line of a dump.
type dumpedRow struct {
	P int32  `json:"p"`
	K string `json:"k"`
	V string `json:"v"`
	E uint32 `json:"e"`
}

package apply

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// ErrNoRoute says that ZooKeeper has no record for a table.
var ErrNoRoute = errors.New("no route record")

// ErrRouteMoved says that the record is not the one that was read: a compare-and-set changed nothing.
var ErrRouteMoved = errors.New("the route record was changed by somebody else")

// Duplication is one duplication of a table.
type Duplication struct {
	ID     int32  `json:"id"`
	Remote string `json:"remote"`
	// Status is DS_INIT, DS_PREPARE, DS_APP, DS_LOG or DS_PAUSE; removed ones are not listed.
	Status    string    `json:"status"`
	FailMode  string    `json:"fail_mode,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// Lag is how far one partition's primary has shipped. Shipped is a lower bound: the committed decree
// was read before the count of what is outstanding, from one node, primary under one ballot before
// and after.
type Lag struct {
	Partition int32  `json:"partition"`
	Primary   string `json:"primary"`
	Ballot    int64  `json:"ballot"`
	Prepared  int64  `json:"prepared"`
	Committed int64  `json:"committed"`
	// Shipped and Confirmed are -1 when the node does not report this partition, or not as duplicating:
	// absent is not zero. Confirmed is what the meta has stored, and -1 too as long as it is not known
	// to have stored anything: a primary of 2.4 and 2.5 that begins then takes its own last decree for
	// shipped (replica_duplicator.cpp), so that Shipped is worth nothing.
	Shipped   int64 `json:"shipped"`
	Confirmed int64 `json:"confirmed"`
	// Held says that the primary knows the duplication and ships nothing by it.
	Held bool `json:"held,omitempty"`
	// Problem says why Shipped is -1.
	Problem string `json:"problem,omitempty"`
}

// Duplications reads and changes duplications. Safe for concurrent use; one attempt per call, like
// Tables.
type Duplications interface {
	Duplications(ctx context.Context, t plan.TableRef) ([]Duplication, error)
	// AddDuplication answers ErrOutcomeUnknown when the reply was lost, ErrRefused with the server's
	// hint when it will not.
	AddDuplication(ctx context.Context, a plan.AddDuplication) (id int32, err error)
	// HoldDuplication takes one in DS_LOG to DS_PAUSE, or back. Idempotent.
	HoldDuplication(ctx context.Context, t plan.TableRef, id int32, hold bool) error
	// RemoveDuplication is idempotent: one that is gone is no mistake.
	RemoveDuplication(ctx context.Context, t plan.TableRef, id int32) error
	// Lag reads every partition of the table, ordered by partition.
	Lag(ctx context.Context, t plan.TableRef, id int32) ([]Lag, error)
	// GroupCheck is the longest group_check_interval_ms of the cluster's replica servers: how long
	// the last mutation of an idle partition waits on 2.4 and 2.5. 0 when the servers ship it at once.
	GroupCheck(ctx context.Context, cluster string) (time.Duration, error)
	// Rejected is how many writes were refused as not idempotent since the servers began to count,
	// over all replica servers of the cluster; -1 when they do not tell.
	Rejected(ctx context.Context, t plan.TableRef) (float64, error)
	// Lost is how many mutations of the table the source's servers lost instead of shipping them.
	Lost(ctx context.Context, t plan.TableRef) (Loss, error)
}

// Levels reads and changes the meta function level ("lively", "steady", ...). Idempotent.
type Levels interface {
	MetaLevel(ctx context.Context, cluster string) (string, error)
	SetMetaLevel(ctx context.Context, cluster, level string) error
}

// RouteRecord is a route record as it was read.
type RouteRecord struct {
	ClusterName string   `json:"cluster_name"`
	MetaAddrs   []string `json:"meta_addrs"`
	// Raw is the whole record; fields that we do not know are kept from it.
	Raw     []byte `json:"raw"`
	Version int32  `json:"version"`
}

// ProxyAnswer is what one MetaProxy leads to.
type ProxyAnswer struct {
	Proxy string `json:"proxy"`
	AppID int32  `json:"app_id"`
	// LeadsTo is "source", "target" or "elsewhere", "" with an Error.
	LeadsTo string    `json:"leads_to,omitempty"`
	Error   string    `json:"error,omitempty"`
	At      time.Time `json:"at"`
}

// Canary is what an independent client read through a proxy.
type Canary struct {
	Proxy string `json:"proxy"`
	Rows  int    `json:"rows"` // rows read and equal to what the cluster behind it holds
	// Asked is how many rows it was asked for, 0 when none was found that it could read.
	Asked int    `json:"asked,omitempty"`
	Error string `json:"error,omitempty"`
	// Advisory is set when the client is known not to understand the servers: its answer decides nothing.
	Advisory bool `json:"advisory,omitempty"`
}

// Routes reads and changes route records and asks proxies. Safe for concurrent use.
type Routes interface {
	// Record answers ErrNoRoute, or ErrRefused when the record is no valid JSON or must not be read.
	Record(ctx context.Context, r plan.Route) (RouteRecord, error)
	// Swap writes the record with another end in one compare-and-set on prior.Version; the same end
	// again only raises the version. Errors: ErrRouteMoved, ErrRefused (both: nothing was changed),
	// ErrOutcomeUnknown (it was sent and may take effect yet). Any other error: it was never sent.
	Swap(ctx context.Context, r plan.Route, prior RouteRecord, to plan.RouteEnd) (RouteRecord, error)
	// AskProxies asks every proxy of the route where it leads; a silent proxy is an answer with Error.
	AskProxies(ctx context.Context, r plan.Route, source, target plan.TableRef) ([]ProxyAnswer, error)
	// Canary reads a few rows through each proxy with Apache's go-client, in a child process.
	Canary(ctx context.Context, r plan.Route, behind plan.TableRef) ([]Canary, error)
}

// TrafficSample is what a cluster's counters say about one table at one moment. Failures are counted
// per server, not per table. Rates are per second.
type TrafficSample struct {
	At       time.Time `json:"at"`
	ReadQPS  float64   `json:"read_qps"`
	WriteQPS float64   `json:"write_qps"` // by clients; what a duplication ships in is left out
	// Failures of reads and writes, and writes refused as not idempotent, since the sample before.
	ReadFailures          float64 `json:"read_failures"`
	WriteFailures         float64 `json:"write_failures"`
	RejectedNonIdempotent float64 `json:"rejected_non_idempotent"`
}

// Traffic reads counters.
type Traffic interface {
	Traffic(ctx context.Context, t plan.TableRef) (TrafficSample, error)
}

// LiveJob is one comparison of tables that are written to.
type LiveJob struct {
	Source, Target plan.TableRef
	Limits         plan.CopyLimits
	// Patience is how long a write may take to arrive on the target: what stays unequal longer,
	// without a change on the source, is a difference.
	Patience time.Duration
	// ExpirySkew is how far expiries may be apart when clients write both tables: they turn a time to live into
	// a moment for each of them. In whole seconds, 0 for not at all.
	ExpirySkew time.Duration
	// Still says that nothing changes on either side: no second look is given.
	Still bool
	// Cursors and Save are as in CopyJob: units that were compared need not be compared again.
	Cursors map[string]json.RawMessage
	Save    func(map[string]json.RawMessage) error
	Report  func(event.MoveProgress)
}

// LiveOutcome is what a live comparison found.
type LiveOutcome struct {
	// Verified counts rows and differences; keys that keep changing are not among the differences.
	event.Verified
	// Drifted rows differ only in an expiry that default_ttl gave them at another moment, or a client that
	// writes both tables.
	Drifted uint64 `json:"drifted"`
	// Open are the keys that kept changing, in the engine's own form, for Recheck; nil for none.
	Open      json.RawMessage `json:"open,omitempty"`
	OpenCount int             `json:"open_count"`
	// TooMany says that more keys kept changing than are kept: only a full comparison proves anything.
	TooMany bool `json:"too_many,omitempty"`
}

// LiveEngine compares tables that clients write to.
type LiveEngine interface {
	CompareLive(ctx context.Context, job LiveJob) (LiveOutcome, error)
	// Recheck reads the open keys of an earlier comparison again, now that nothing changes.
	Recheck(ctx context.Context, source, target plan.TableRef, open json.RawMessage) (LiveOutcome, error)
}

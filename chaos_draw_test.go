package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// ending is how a round ends.
type roundEnd string

const (
	endApply    roundEnd = "apply"
	endRollback roundEnd = "rollback"
	endAgain    roundEnd = "rollback, then apply"
)

// act is one run of the tool and what happens to it.
type act struct {
	command   string        // apply when empty
	kill      time.Duration // SIGKILL after so long
	interrupt time.Duration // SIGINT after so long
	crashAt   int           // SIGKILL at the n-th crash point
	loseState bool          // afterwards
}

// scenario is all that a round is made of, drawn from its seed.
type scenario struct {
	seed                    uint64
	sourceParts, wantParts  int32
	rows                    rowMix
	writes, after, existing string
	sourceEnvs, targetEnvs  map[string]string // before the round
	declared                map[string]string
	limits                  string
	writers                 int
	patient                 bool // the tool tries failed looks again
	source, target          []sandbox.Fault
	acts                    []act
	ending                  roundEnd
}

func one[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

func draw(seed uint64) scenario {
	r := rand.New(rand.NewPCG(seed, 0xc4a05))
	s := scenario{
		seed:        seed,
		sourceParts: one[int32](r, 1, 3, 4, 6, 8, 16, 64),
		wantParts:   one[int32](r, 1, 2, 4, 8, 32),
		rows:        drawRows(r),
		writes:      one(r, "fenced", "fenced", "fenced", "stopped", "accepted"),
		existing:    one(r, "", "", "", "resume_empty", "merge"),
		patient:     chance(r, 50),
		ending:      one(r, endApply, endApply, endRollback, endAgain),
	}
	if s.writes == "fenced" {
		s.after = one(r, "", "unfence", "keep_fenced")
	}
	s.drawEnvs(r)
	if s.writes == "fenced" && s.existing == "" && s.sourceEnvs[deny] == "" && s.sourceEnvs["default_ttl"] != "30" && chance(r, 60) {
		s.writers = 1 + r.IntN(3)
	}
	s.limits = one(r, "", "", "in_flight = 4", "rows_per_second = 2000", "bytes_per_second = \"4MiB\"")
	for range r.IntN(4) {
		s.source = append(s.source, drawFault(r))
	}
	for range r.IntN(4) {
		s.target = append(s.target, drawFault(r))
	}
	s.drawActs(r)
	return s
}

// deny is the env that a fence is made of.
const deny = "replica.deny_client_request"

func (s *scenario) drawEnvs(r *rand.Rand) {
	s.sourceEnvs, s.targetEnvs, s.declared = map[string]string{}, map[string]string{}, map[string]string{}
	maybe := func(percent int, envs map[string]string, key string, values ...string) {
		if chance(r, percent) {
			envs[key] = one(r, values...)
		}
	}
	maybe(50, s.sourceEnvs, "business.info", "owned by payments", `{"team": "Zürich", "x": [1, "a\\b"]}`, "x", " ")
	maybe(40, s.sourceEnvs, "default_ttl", "8640000", "30", "0")
	maybe(40, s.sourceEnvs, "replica.slow_query_threshold", "77")
	maybe(20, s.sourceEnvs, "replica.write_throttling", "100000*delay*10")
	maybe(15, s.sourceEnvs, "rocksdb.allow_ingest_behind", "true")
	maybe(15, s.sourceEnvs, "manual_compact.once.trigger_time", "1700000000")
	maybe(15, s.sourceEnvs, deny, "timeout*write", "reconfig*write")
	maybe(30, s.declared, "replica.slow_query_threshold", "88")
	maybe(30, s.declared, "default_ttl", "0", "7200")
	if s.existing == "" {
		return
	}
	maybe(50, s.targetEnvs, "business.info", "the old place")
	maybe(50, s.targetEnvs, "default_ttl", "1000", "25", "0")
	maybe(30, s.targetEnvs, "replica.slow_query_threshold", "99")
}

// drawFault is one fault, of data requests, of control requests, or of servers.
func drawFault(r *rand.Rand) sandbox.Fault {
	ms := func(from, to int) time.Duration { return time.Duration(from+r.IntN(to-from)) * time.Millisecond }
	control := func(f sandbox.Fault) sandbox.Fault {
		f.RPC = one(r, "create_app", "update_app_env", "list_apps", "query_partition_config_by_index", "query_replica_info",
			"list_nodes", "cluster_info", "drop_app")
		return f
	}
	switch r.IntN(16) {
	case 0, 1:
		return sandbox.Fault{Kind: sandbox.FaultMovePrimary, Every: ms(100, 900), Times: 2 + r.IntN(20)}
	case 2:
		return sandbox.Fault{Kind: sandbox.FaultBounceReplica, Delay: ms(50, 500), Every: ms(800, 2500)}
	case 3:
		return sandbox.Fault{Kind: sandbox.FaultLoseLeader, Every: ms(300, 2000)}
	case 4:
		return sandbox.Fault{Kind: sandbox.FaultDrop, Share: 0.01, After: chance(r, 50), Times: 20}
	case 5:
		return sandbox.Fault{Kind: sandbox.FaultDelay, Share: 0.2, Delay: ms(1, 200)}
	case 6:
		return sandbox.Fault{Kind: sandbox.FaultCut, Share: 0.01, After: chance(r, 50)}
	case 7:
		// Not the deletes that probe a fence: these answers come from behind it, or mean it.
		return sandbox.Fault{Kind: sandbox.FaultFail, RPC: one(r, "put", "multi_put", "get_scanner", "scan"), Share: 0.1, After: chance(r, 20),
			Code: one(r, idl.ErrBusy, idl.ErrTimeout, idl.ErrCapacityExceeded, idl.ErrInvalidState, idl.ErrNotEnoughMember, idl.ErrObjectNotFound)}
	case 8:
		return sandbox.Fault{Kind: sandbox.FaultLoseScans, Share: 0.5}
	case 9:
		return sandbox.Fault{Kind: sandbox.FaultIncomplete, Share: 0.4}
	case 10:
		return sandbox.Fault{Kind: sandbox.FaultCutAll, Every: ms(200, 1500)}
	case 11, 12:
		return control(sandbox.Fault{Kind: sandbox.FaultDrop, Share: 0.5, After: true, Times: 1 + r.IntN(2)})
	case 13:
		return control(sandbox.Fault{Kind: sandbox.FaultFail, Share: 0.3, Times: 1 + r.IntN(6), Code: one(r, idl.ErrBusy, idl.ErrTimeout,
			idl.ErrServiceNotActive, idl.ErrInvalidState)})
	case 14:
		return control(sandbox.Fault{Kind: sandbox.FaultDelay, Delay: ms(10, 1500), Times: 10})
	default:
		return control(sandbox.Fault{Kind: sandbox.FaultCut, Share: 0.3, After: true, Times: 1 + r.IntN(5)})
	}
}

func (s *scenario) drawActs(r *rand.Rand) {
	for range r.IntN(6) {
		var a act
		after := time.Duration(100+r.IntN(6000)) * time.Millisecond
		switch r.IntN(8) {
		case 0, 1:
			a.kill = after
		case 2, 3, 4:
			a.crashAt = 1 + r.IntN(300)
		case 5, 6:
			a.interrupt = after
		}
		a.loseState = chance(r, 15)
		s.acts = append(s.acts, a)
	}
}

// String is the scenario in full, for a failure.
func (s scenario) String() string {
	return fmt.Sprintf("%s\n  source envs %q, target envs %q, declared %q\n  source faults %+v\n  target faults %+v\n  acts %+v",
		s.brief(), s.sourceEnvs, s.targetEnvs, s.declared, s.source, s.target, s.acts)
}

func (s scenario) brief() string {
	return fmt.Sprintf("%d to %d partitions, %s, writes %s, after %q, existing %q, %d writers, limits %q, patient %t, %d+%d faults, %d acts, then %s",
		s.sourceParts, s.wantParts, s.rows, s.writes, s.after, s.existing, s.writers, s.limits, s.patient,
		len(s.source), len(s.target), len(s.acts), s.ending)
}

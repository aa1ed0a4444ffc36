package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/schema"
)

// The envs that a duplication gives its follower (meta_duplication_service.cpp,
// create_follower_app_for_duplication); the last two only from 2.6 on.
const (
	envMasterCluster  = "duplication.master_cluster"
	envMasterMetas    = "duplication.master_metas"
	envMasterApp      = "duplication.master_app_name"
	envFollowerStatus = "duplication.follower_app_status"
)

// steady is the meta function level in which a cluster mends itself but does not balance.
const steady = "steady"

// duplicationSteps lists the steps of method "duplication" in order.
func (b *builder) duplicationSteps(method *schema.DuplicationMethod, w Window) []Step {
	steps := b.gate(schema.GateClients, "before anything is changed: every client goes through the MetaProxy, or is of a kind that you change by hand")
	steps = append(steps, b.ownStep())
	steps = append(steps, b.followSteps(method)...)
	steps = append(steps, b.catchUpSteps(method, w)...)
	steps = append(steps, b.gate(schema.GateCutover, "before writes are rejected")...)
	if method.ReturnTicket > 0 {
		steps = append(steps, b.returnDuplicationStep(method))
	}
	steps = append(steps, b.windowSteps(method, w)...)
	if route := method.Cutover.MetaProxy; route != nil {
		steps = append(steps, b.switchSteps(method, w)...)
	}
	return append(steps, b.endSteps(method)...)
}

// parkedKeys are the source's envs that crash a server which creates a table with them (seen on 2.5.0:
// default_ttl and manual_compact.once.*; the whole family is taken off).
func (b *builder) parkedKeys() []string {
	var keys []string
	for _, k := range sortedKeys(b.f.SourceTable.Envs) {
		if k == EnvDefaultTTL || strings.HasPrefix(k, "manual_compact.") {
			keys = append(keys, k)
		}
	}
	return keys
}

// followerEnvs are the envs that the follower is to have besides those that it is created with: what
// was parked, and what is declared.
func (b *builder) followerEnvs() map[string]string {
	envs := map[string]string{}
	for _, k := range b.parkedKeys() {
		envs[k] = b.f.SourceTable.Envs[k]
	}
	for k, v := range b.m.Target.Envs {
		if k != EnvBusinessInfo {
			envs[k] = v
		}
	}
	maps.DeleteFunc(envs, func(_, v string) bool { return v == "" })
	return envs
}

// undeclared are the envs that the source has and the target is declared not to have.
func (b *builder) undeclared() []string {
	var keys []string
	for k, v := range b.m.Target.Envs {
		if _, has := b.f.SourceTable.Envs[k]; v == "" && has && !slices.Contains(b.parkedKeys(), k) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// followSteps bring the follower into being, and its envs into order.
func (b *builder) followSteps(method *schema.DuplicationMethod) []Step {
	remote := b.f.Target.Name
	parked := b.parkedKeys()
	var steps []Step
	if len(parked) > 0 {
		steps = append(steps, Step{
			ID: "park-envs", Action: ParkEnvs{Table: b.source, Keys: parked},
			Why:    "take " + listEnvs(only(b.f.SourceTable.Envs, parked)) + " off: the follower is created with the source's envs, and servers crash of these",
			Impact: "running servers keep default_ttl in force; one that restarts meanwhile does not, which is watched",
			Undo:   RestoreEnvs{Table: b.source, Keys: parked},
		})
	}
	add := AddDuplication{Source: b.source, Target: b.target, Remote: remote, FailMode: string(method.FailMode)}
	if b.replicas != b.f.SourceTable.Replicas {
		add.Replicas = b.replicas
	}
	if b.target.Table != b.source.Table {
		add.RemoteTable = b.target.Table
	}
	envs := b.followerEnvs()
	early := map[string]string{}
	if v, ok := envs[EnvDefaultTTL]; ok {
		early[EnvDefaultTTL] = v
	}
	before, back, rateStep := b.checkpointRate()
	steps = append(append(steps, before...), Step{
		ID: "duplication", Action: add,
		Why:    fmt.Sprintf("%s -> %s, with checkpoint", b.source, b.target),
		Impact: "incr, check_and_set and check_and_mutate on the source are rejected from here on; log files are kept until they are shipped",
		Undo:   RemoveDuplication{Source: b.source, Target: b.target, Remote: remote, DropFollower: method.DropFollower, Reserve: DropReserve},
	}, Step{
		ID:       "follow",
		Action:   FollowDuplication{Source: b.source, Target: b.target, Remote: remote, Replicas: b.replicas, FollowerEnvs: early, Parked: slices.Contains(parked, EnvDefaultTTL), Rate: rateStep},
		Why:      fmt.Sprintf("PREPARE, APP, LOG; all %s of the follower have a primary and %d secondaries", plural(int(b.partitions), "partition"), b.replicas-1),
		Estimate: b.followEstimate(),
	})
	steps = append(steps, back...)
	if len(parked) > 0 {
		steps = append(steps, Step{
			ID: "unpark-envs", Action: UnparkEnvs{Table: b.source, Step: "park-envs", Keys: parked},
			Why: "the source gets " + listEnvs(only(b.f.SourceTable.Envs, parked)) + " back",
		})
	}
	if len(envs) > 0 {
		steps = append(steps, Step{ID: "target-envs", Action: SetEnvs{Table: b.target, Envs: envs},
			Why: listEnvs(envs) + " on the follower", Impact: compacts(envs)})
	}
	if keys := b.undeclared(); len(keys) > 0 {
		steps = append(steps, Step{ID: "drop-envs", Action: DeleteEnvs{Table: b.target, Keys: keys},
			Why: "take " + strings.Join(keys, ", ") + " off the follower, as declared"})
	}
	return steps
}

// compacts says what a manual compaction's envs do to a table that gets them.
func compacts(envs map[string]string) string {
	for k := range envs {
		if strings.HasPrefix(k, "manual_compact.once.") {
			return "the last manual compaction of the source may start on the target too, once, if it was not over when the follower was made"
		}
	}
	return ""
}

func only(envs map[string]string, keys []string) map[string]string {
	out := map[string]string{}
	for _, k := range keys {
		out[k] = envs[k]
	}
	return out
}

// followEstimate: a small table took 69 s on a real 2.5.0 cluster (PREPARE 42 s, APP 27 s); a large one
// is bounded by the copy of its checkpoint.
func (b *builder) followEstimate() Estimate {
	e := estimateMove(0, b.f.SourceTable.Bytes, CopyLimits{}, false)
	if r := b.m.Limits.SendRate; r != nil { // per disk; servers have one at least
		slow := rampTime(b.f.SourceTable.Bytes/uint64(max(b.f.Source.Alive(), 1)), Ramp{Start: r.Start, Step: r.Step, Max: r.Max, Every: r.Every})
		e.Duration, e.High = max(e.Duration, slow), max(e.High, slow)
	}
	return e.Plus(Estimate{Duration: 70 * time.Second, Low: 40 * time.Second, High: 3 * time.Minute})
}

func (b *builder) catchUpSteps(method *schema.DuplicationMethod, w Window) []Step {
	limits := copyLimits(b.m.Limits)
	steps := []Step{{
		ID: "catch-up",
		Action: AwaitLag{Source: b.source, Target: b.target, Remote: b.f.Target.Name, Threshold: method.Cutover.LagThreshold,
			Budget: w.Budget},
		Why: b.whyLag(method.Cutover),
	}}
	if b.m.Verify.Mode == schema.VerifyOff || b.m.Verify.When == schema.VerifyInWindow {
		return steps
	}
	src := b.f.SourceTable
	return append(steps, Step{
		ID: "compare", Action: CompareLive{Source: b.source, Target: b.target, Limits: limits},
		Why:      "live comparison: every row of both tables: key, value, expiry, partition",
		Estimate: estimateMove(src.Rows, src.Bytes, limits, true),
	})
}

// windowSteps are those between the first rejected write and the switch.
func (b *builder) windowSteps(method *schema.DuplicationMethod, w Window) []Step {
	n := plural(int(b.partitions), "partition")
	hold, level := "hold-balancer", cmp.Or(b.f.Source.Level, "lively")
	if level != steady {
		level += " -> " + steady
	}
	steps := []Step{{
		ID: hold, Action: HoldBalancer{Cluster: b.source.Cluster},
		Why:    fmt.Sprintf("meta level of %s %s, so that primaries stay where they are", b.source.Cluster, level),
		Impact: "tables of " + b.source.Cluster + " are not balanced until it is given back",
		Undo:   ReleaseBalancer{Cluster: b.source.Cluster, Step: hold},
	}, {
		ID:       "fence-source",
		Action:   Fence{Table: b.source, Mode: FenceMode, Budget: w.Budget, Predicted: w.Total.Duration},
		Why:      fmt.Sprintf("deny writes on %s (%s), proven on %s", b.source, FenceMode, n),
		Impact:   "writes to " + b.source.String() + " are rejected from here on; reads go on",
		Undo:     LiftFence{Table: b.source},
		Estimate: w.Spread,
	}, {
		ID: "quiesce-source", Action: Quiesce{Table: b.source},
		Why:      "every write that was accepted before the fence is committed; decrees are frozen",
		Estimate: w.Quiesce,
	}, {
		ID: "drain", Action: Drain{Source: b.source, Target: b.target, Remote: b.f.Target.Name},
		Why:      fmt.Sprintf("%d frozen decrees are shipped", b.partitions),
		Estimate: w.Drain.less(w.Quiesce),
	}}
	if b.m.Verify.Mode != schema.VerifyOff {
		full := b.m.Verify.When == schema.VerifyInWindow
		why := recheckWhy
		if full {
			why = "every row of both tables, while nothing changes: key, value, expiry, partition"
		}
		steps = append(steps, Step{ID: "recheck",
			Action: RecheckKeys{Source: b.source, Target: b.target, Full: full, Limits: copyLimits(b.m.Limits)},
			Why:    why, Estimate: w.Recheck})
	}
	return steps
}

// route gives the record's place.
func (b *builder) route(p *schema.MetaProxy) Route {
	r := Route{ZooKeeper: p.ZooKeeper, Root: p.Root, Table: b.source.Table, Proxies: p.Proxies}
	if d := b.f.Duplication; len(r.ZooKeeper) == 0 && d != nil && d.Route != nil {
		r.ZooKeeper = d.Route.ZooKeeper
	}
	return r
}

// switchSteps lead clients over.
func (b *builder) switchSteps(method *schema.DuplicationMethod, w Window) []Step {
	route := b.route(method.Cutover.MetaProxy)
	from := RouteEnd{ClusterName: b.f.Source.Name, MetaServers: b.f.Source.MetaServers}
	to := RouteEnd{ClusterName: b.f.Target.Name, MetaServers: b.f.Target.MetaServers}
	return []Step{{
		ID: "switch", Action: SwitchRoute{Route: route, Source: b.source, Target: b.target, From: from, To: to},
		Why:    fmt.Sprintf("%s: %s -> %s", route.Path(), from.ClusterName, to.ClusterName),
		Impact: "clients that ask for their route are led to " + b.target.String(),
		Final:  true, Estimate: w.Switch,
	}, {
		ID: "evict", Action: Evict{Source: b.source, Target: b.target, Mode: EvictMode, Route: route},
		Why:      b.whyEvict(route),
		Impact:   "readers ask for their route as well; until then they may read old rows",
		Estimate: estimateSync(b.f.Source.ConfigSync),
	}, {
		ID: "traffic", Action: ProveTraffic{Source: b.source, Target: b.target, For: method.Cutover.TrafficProof},
		Why: b.whyTraffic(method.Cutover), Estimate: estimateProof(method.Cutover),
	}}
}

// endSteps take apart what the cut-over needed.
func (b *builder) endSteps(method *schema.DuplicationMethod) []Step {
	keys := []string{envMasterCluster, envMasterMetas}
	if b.f.Duplication != nil && b.f.Duplication.RemoteNames {
		keys = append(keys, envMasterApp, envFollowerStatus)
	}
	why := "everything is proven to be shipped once more; remove the duplication"
	if method.Cutover.MetaProxy == nil {
		why += "; give the clients the meta servers of " + b.target.Cluster
	}
	steps := []Step{{
		ID: "end-duplication", Action: RemoveDuplication{Source: b.source, Target: b.target, Remote: b.f.Target.Name},
		Why: why, Final: method.Cutover.MetaProxy == nil,
	}, {
		ID: "follower-envs", Action: DeleteEnvs{Table: b.target, Keys: keys},
		Why: "delete duplication.master_* on the target: a fresh primary would copy old rows from there",
	}, {
		ID: "release-balancer", Action: ReleaseBalancer{Cluster: b.source.Cluster, Step: "hold-balancer"},
		Why: "give the meta level of " + b.source.Cluster + " back",
	}}
	if method.ReturnTicket > 0 {
		steps = append(steps, b.ticketSteps(method)...)
		if b.m.After.Source != schema.AfterUnfence {
			steps = append(steps, b.closeStep())
		}
	}
	switch b.m.After.Source {
	case schema.AfterUnfence:
		if method.ReturnTicket > 0 {
			break // it is open already
		}
		steps = append(steps, Step{
			ID: "unfence-source", Action: LiftFence{Table: b.source},
			Why:      "give " + EnvDeny + " its prior value back, as declared",
			Impact:   "the source takes writes again, which go nowhere else",
			Estimate: estimateSync(b.f.Source.ConfigSync),
		})
	case schema.AfterDrop:
		steps = append(steps, Step{
			ID: "approve-complete", Action: Approve{Gate: "complete"}, Gate: "complete",
			Why: "gate \"complete\", before the source is dropped: `pegmigrate complete`",
		}, Step{
			ID: "drop-source", Action: DropTable{Table: b.source, Reserve: b.m.After.Reserve},
			Why: "drop " + b.source.String() + ", recallable for " + Duration(b.m.After.Reserve),
		})
	}
	return append(steps, Step{
		ID: "disown", Action: Disown{Source: b.source, Target: b.target, TargetInfo: b.envs.info},
		Why: "take the ownership marker out of " + EnvBusinessInfo,
	})
}

package plan

import "time"

// Route says where the record lives that leads clients to a table, and who reads it.
type Route struct {
	// ZooKeeper lists host:port, never empty.
	ZooKeeper []string `json:"zookeeper"`
	Root      string   `json:"root"`
	Table     string   `json:"table"`
	// Proxies are the MetaProxy instances, host:port.
	Proxies []string `json:"proxies"`
}

// Path is the record's znode.
func (r Route) Path() string { return r.Root + "/" + r.Table }

// RouteEnd is one cluster as a route record names it.
type RouteEnd struct {
	ClusterName string   `json:"cluster_name"` // as the cluster reports itself
	MetaServers []string `json:"meta_servers"` // host:port; a single one is written twice
}

// ParkEnvs takes envs off a table that would crash the servers of a follower when it is created
// with them, and keeps their values. Running replicas keep a deleted default_ttl in force; that they
// do is watched until UnparkEnvs.
type ParkEnvs struct {
	Table TableRef `json:"table"`
	Keys  []string `json:"keys"`
}

// UnparkEnvs gives the table the envs back that the named step took off.
type UnparkEnvs struct {
	Table TableRef `json:"table"`
	Step  string   `json:"step"` // id of the ParkEnvs step
	Keys  []string `json:"keys"`
}

// AddDuplication makes the source's cluster ship checkpoint and writes to the target's. A
// duplication of that remote that is there already is adopted, never added again: ADD on an
// existing one has side effects.
type AddDuplication struct {
	Source TableRef `json:"source"`
	Target TableRef `json:"target"`
	// Remote is the target cluster's own name, the key in [pegasus.clusters].
	Remote   string `json:"remote"`
	FailMode string `json:"fail_mode"`          // slow, skip, fast
	Replicas int32  `json:"replicas,omitempty"` // 0: the source's; only 2.6 and later take another
	// RemoteTable is set when the name differs from the source's; only 2.6 and later take it.
	RemoteTable string `json:"remote_table,omitempty"`
	// LogOnly ships no checkpoint: the target is there, and holds what the source holds.
	LogOnly bool `json:"log_only,omitempty"`
}

// RemoveDuplication ends the duplication that this migration added. As compensation it may drop the
// follower, only that table which this run's duplication created.
type RemoveDuplication struct {
	Source       TableRef      `json:"source"`
	Target       TableRef      `json:"target"`
	Remote       string        `json:"remote"`
	DropFollower bool          `json:"drop_follower,omitempty"`
	Reserve      time.Duration `json:"reserve_ns,omitempty"`
}

// FollowDuplication waits until the duplication ships the log (DS_LOG) and the follower is healthy.
// As soon as the follower has primaries, FollowerEnvs are set on it.
type FollowDuplication struct {
	Source       TableRef          `json:"source"`
	Target       TableRef          `json:"target"`
	Remote       string            `json:"remote"`
	Replicas     int32             `json:"replicas"`
	FollowerEnvs map[string]string `json:"follower_envs,omitempty"`
	// Parked says that ParkEnvs took default_ttl off the source: whether it stays in force is looked at.
	Parked bool `json:"parked,omitempty"`
	// Rate is the id of the LimitRate step whose ramp rises while the checkpoint is copied, "" for none.
	Rate string `json:"rate,omitempty"`
}

// AwaitLag waits until no partition has more outstanding mutations than Threshold, and the drain
// that is forecast fits into the fence's budget.
type AwaitLag struct {
	Source    TableRef      `json:"source"`
	Target    TableRef      `json:"target"`
	Remote    string        `json:"remote"`
	Threshold int64         `json:"threshold"`
	Budget    time.Duration `json:"budget_ns,omitempty"`
}

// CompareLive compares both tables while clients write. What stays unequal longer than the writes
// need to arrive is a difference; keys that keep changing are left to RecheckKeys.
type CompareLive struct {
	Source TableRef   `json:"source"`
	Target TableRef   `json:"target"`
	Limits CopyLimits `json:"limits"`
}

// HoldBalancer sets the meta function level to steady, so that primaries stay where they are.
type HoldBalancer struct {
	Cluster string `json:"cluster"` // label
}

// ReleaseBalancer gives the meta function level back that HoldBalancer found.
type ReleaseBalancer struct {
	Cluster string `json:"cluster"`
	Step    string `json:"step"` // id of the HoldBalancer step
}

// Drain proves partition by partition that every write accepted before the fence is on the target:
// it freezes each partition's decree behind the fence and waits until the shipped decree reaches it.
type Drain struct {
	Source TableRef `json:"source"`
	Target TableRef `json:"target"`
	Remote string   `json:"remote"`
}

// RecheckKeys reads, behind the drain, the keys again that CompareLive left open; with Full it
// compares everything.
type RecheckKeys struct {
	Source TableRef   `json:"source"`
	Target TableRef   `json:"target"`
	Full   bool       `json:"full,omitempty"`
	Limits CopyLimits `json:"limits"`
}

// SwitchRoute leads clients from one cluster to the other by one compare-and-set.
type SwitchRoute struct {
	Route  Route    `json:"route"`
	Source TableRef `json:"source"`
	Target TableRef `json:"target"`
	From   RouteEnd `json:"from"`
	To     RouteEnd `json:"to"`
}

// Evict denies reads as well, so that every client asks for its route again, and asks each proxy
// where it leads.
type Evict struct {
	Source TableRef `json:"source"`
	Target TableRef `json:"target"`
	Mode   string   `json:"mode"` // value of replica.deny_client_request
	Route  Route    `json:"route"`
}

// ProveTraffic waits until clients are seen on the target and no more on the source, without
// failures on either side, for the given time.
type ProveTraffic struct {
	Source TableRef      `json:"source"`
	Target TableRef      `json:"target"`
	For    time.Duration `json:"for_ns"`
}

// DeleteEnvs takes envs off a table for good: those of a follower that is none any more.
type DeleteEnvs struct {
	Table TableRef `json:"table"`
	Keys  []string `json:"keys"`
}

// Kind implements Action.
func (ParkEnvs) Kind() string { return "park_envs" }

// Kind implements Action.
func (UnparkEnvs) Kind() string { return "unpark_envs" }

// Kind implements Action.
func (AddDuplication) Kind() string { return "add_duplication" }

// Kind implements Action.
func (RemoveDuplication) Kind() string { return "remove_duplication" }

// Kind implements Action.
func (FollowDuplication) Kind() string { return "follow_duplication" }

// Kind implements Action.
func (AwaitLag) Kind() string { return "await_lag" }

// Kind implements Action.
func (CompareLive) Kind() string { return "compare_live" }

// Kind implements Action.
func (HoldBalancer) Kind() string { return "hold_balancer" }

// Kind implements Action.
func (ReleaseBalancer) Kind() string { return "release_balancer" }

// Kind implements Action.
func (Drain) Kind() string { return "drain" }

// Kind implements Action.
func (RecheckKeys) Kind() string { return "recheck_keys" }

// Kind implements Action.
func (SwitchRoute) Kind() string { return "switch_route" }

// Kind implements Action.
func (Evict) Kind() string { return "evict" }

// Kind implements Action.
func (ProveTraffic) Kind() string { return "prove_traffic" }

// Kind implements Action.
func (DeleteEnvs) Kind() string { return "delete_envs" }

func (ParkEnvs) sealed()          {}
func (UnparkEnvs) sealed()        {}
func (AddDuplication) sealed()    {}
func (RemoveDuplication) sealed() {}
func (FollowDuplication) sealed() {}
func (AwaitLag) sealed()          {}
func (CompareLive) sealed()       {}
func (HoldBalancer) sealed()      {}
func (ReleaseBalancer) sealed()   {}
func (Drain) sealed()             {}
func (RecheckKeys) sealed()       {}
func (SwitchRoute) sealed()       {}
func (Evict) sealed()             {}
func (ProveTraffic) sealed()      {}
func (DeleteEnvs) sealed()        {}

package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// identity is the normalised declaration that a run must keep from beginning to end. Field order
// is part of the format: changing it makes runs that are under way unresumable.
type identity struct {
	Format       int               `json:"format"`
	Name         string            `json:"name"`
	Source       side              `json:"source"`
	Target       side              `json:"target"`
	Partitions   *int32            `json:"partitions,omitempty"`
	Replicas     *int32            `json:"replicas,omitempty"`
	Envs         map[string]string `json:"envs,omitempty"` // written with sorted keys
	IfExists     IfExists          `json:"if_exists"`
	Method       string            `json:"method"`
	SourceWrites SourceWrites      `json:"source_writes,omitempty"`
	Verify       VerifyMode        `json:"verify"`
	After        SourceAfter       `json:"after,omitempty"`
	Reserve      int64             `json:"reserve,omitempty"`
	When         VerifyWhen        `json:"when,omitempty"`
	FailMode     FailMode          `json:"fail_mode,omitempty"`
	ReturnTicket int64             `json:"return_ticket,omitempty"`
	DropFollower bool              `json:"drop_follower,omitempty"`
	Route        *route            `json:"route,omitempty"`
	Files        *files            `json:"files,omitempty"`
	Copy         *copied           `json:"copy,omitempty"`
	Sample       float64           `json:"sample,omitempty"`
}

// copied is which rows a copy brings over, and what of them; nil when it brings all of them as they are.
type copied struct {
	Partitions []int32   `json:"partitions,omitempty"`
	HashKey    string    `json:"hash_key,omitempty"`
	SortKey    string    `json:"sort_key,omitempty"`
	Value      string    `json:"value,omitempty"`
	DropTTL    bool      `json:"drop_ttl,omitempty"`
	DropValue  bool      `json:"drop_value,omitempty"`
	Overwrite  Overwrite `json:"overwrite,omitempty"`
	Geo        *geo      `json:"geo,omitempty"`
}

func copiedOf(o CopyOptions) *copied {
	out := copied{Partitions: o.Partitions, HashKey: o.HashKey, SortKey: o.SortKey, Value: o.Value, DropTTL: o.DropTTL, DropValue: o.DropValue}
	if o.Overwrite != OverwriteAlways {
		out.Overwrite = o.Overwrite
	}
	out.Geo = geoOf(o.Geo)
	if out.Geo == nil && len(out.Partitions) == 0 && out.HashKey == "" && out.SortKey == "" && out.Value == "" && !out.DropTTL && !out.DropValue && out.Overwrite == "" {
		return nil
	}
	return &out
}

// tuning is how a copy moves rows, nil when that is left to the engine.
type tuning struct {
	MultiSet            MultiSet `json:"multi_set,omitempty"`
	MultiSetRows        int      `json:"multi_set_rows,omitempty"`
	MultiSetConcurrency int      `json:"multi_set_concurrency,omitempty"`
	ScanBatch           int      `json:"scan_batch,omitempty"`
	Timeout             int64    `json:"timeout,omitempty"`
	SkipUnplaced        bool     `json:"skip_unplaced,omitempty"`
}

func tuningOf(o CopyOptions) *tuning {
	out := tuning{MultiSet: o.MultiSet, MultiSetRows: o.MultiSetRows, MultiSetConcurrency: o.MultiSetConcurrency, ScanBatch: o.ScanBatch,
		Timeout: int64(o.Timeout)}
	if out.MultiSet == MultiSetAuto {
		out.MultiSet = ""
	}
	out.SkipUnplaced = o.Geo != nil && o.Geo.OnUndecodable == UndecodableSkip
	if out == (tuning{}) {
		return nil
	}
	return &out
}

// files is what a method that goes through files must keep. Name nodes and user are no part of it: one may be
// replaced on the way.
type files struct {
	Provider         store       `json:"provider"`
	TargetProvider   store       `json:"target_provider"`
	BackupPath       string      `json:"backup_path,omitempty"`
	ColdBackupRoot   string      `json:"cold_backup_root,omitempty"`
	Backup           string      `json:"backup,omitempty"` // of source.backup
	BackupApp        int32       `json:"backup_app,omitempty"`
	Staging          string      `json:"staging,omitempty"`
	Compression      Compression `json:"compression,omitempty"`
	FileSize         int64       `json:"file_size,omitempty"`
	DropExpired      bool        `json:"drop_expired,omitempty"`
	SkipBadPartition bool        `json:"skip_bad_partition,omitempty"`
}

type store struct {
	Name string       `json:"name"`
	Type ProviderType `json:"type"`
	Root string       `json:"root"`
}

func storeOf(p *Provider) store { return store{Name: p.Name, Type: p.Type, Root: p.Root} }

func filesOf(m *Migration, b BackupUse) *files {
	out := &files{Provider: storeOf(b.Provider), TargetProvider: storeOf(b.TargetProvider), BackupPath: b.BackupPath, ColdBackupRoot: b.ColdBackupRoot}
	if s := m.Source.Backup; s != nil {
		out.Backup, out.BackupApp = s.Path, s.AppID
	}
	return out
}

func (f *files) split(s SplitUse) *files {
	f.Staging, f.Compression, f.FileSize = s.Staging, s.Compression, s.FileSize
	return f
}

// route is where the record lives. The proxies are no part of it: one more or less must not make a
// run unresumable.
type route struct {
	ZooKeeper []string `json:"zookeeper,omitempty"` // as a set
	Root      string   `json:"root"`
}

// side is one table. The meta servers are no part of it: one that is replaced in the middle of a
// run must not make it unresumable. That a label still points to the same cluster is for plan to
// find out, from what the cluster says it is and from the app ids.
type side struct {
	Cluster string `json:"cluster"`
	Table   string `json:"table"`
}

// declaration is the identity with what may change while a migration is under way.
type declaration struct {
	Identity       identity  `json:"identity"`
	SourceMetas    []string  `json:"source_metas"` // as sets
	TargetMetas    []string  `json:"target_metas"`
	WriteReject    int64     `json:"write_reject,omitempty"`
	RowsPerSecond  int64     `json:"rows_per_second,omitempty"`
	BytesPerSecond int64     `json:"bytes_per_second,omitempty"`
	InFlight       int       `json:"in_flight,omitempty"`
	SendRate       *SendRate `json:"send_rate,omitempty"`
	Window         []Window  `json:"window,omitempty"`
	StopIf         *StopIf   `json:"stop_if,omitempty"`
	Approve        []string  `json:"approve,omitempty"`
	LagThreshold   int64     `json:"lag_threshold,omitempty"`
	TrafficProof   int64     `json:"traffic_proof,omitempty"`
	Proxies        []string  `json:"proxies,omitempty"` // as a set
	AdoptMaxAge    int64     `json:"adopt_max_age,omitempty"`
	Parallel       int       `json:"parallel,omitempty"`
	NameNodes      []string  `json:"name_nodes,omitempty"` // both providers', as a set
	Users          []string  `json:"users,omitempty"`
	Tuning         *tuning   `json:"tuning,omitempty"`
}

const fingerprintFormat = 1

// fingerprints gives Migration.Fingerprint and Migration.IdentityFingerprint of a checked
// migration.
func fingerprints(m *Migration) (whole, identityOnly string) {
	id := identity{
		Format: fingerprintFormat, Name: m.Name,
		Source:     side{m.Source.Label(), m.Source.Table},
		Target:     side{m.Target.Cluster.Label, m.Target.Table},
		Partitions: m.Target.PartitionCount, Replicas: m.Target.ReplicaCount, Envs: m.Target.Envs,
		IfExists: m.Target.IfExists, Method: m.Method.Kind(), Verify: m.Verify.Mode,
		After: m.After.Source, Reserve: int64(m.After.Reserve), When: m.Verify.When, Sample: m.Verify.Sample,
	}
	switch method := m.Method.(type) {
	case *CopyMethod:
		id.SourceWrites, id.Copy = method.SourceWrites, copiedOf(method.CopyOptions)
	case *DuplicationMethod:
		id.FailMode, id.ReturnTicket, id.DropFollower = method.FailMode, int64(method.ReturnTicket), method.DropFollower
		if p := method.Cutover.MetaProxy; p != nil {
			id.Route = &route{ZooKeeper: sortedSet(p.ZooKeeper), Root: p.Root}
		}
	case *BackupRestoreMethod:
		id.SourceWrites, id.Files = method.SourceWrites, filesOf(m, method.BackupUse)
		id.Files.SkipBadPartition = method.SkipBadPartition
	case *BackupBulkLoadMethod:
		id.SourceWrites, id.Files = method.SourceWrites, filesOf(m, method.BackupUse).split(method.SplitUse)
		id.Files.DropExpired = method.DropExpired
	case *DualWriteMethod:
		id.Files = filesOf(m, method.BackupUse).split(method.SplitUse)
	}
	d := declaration{
		Identity: id, SourceMetas: sortedSet(m.Source.MetaServers()), TargetMetas: sortedSet(m.Target.Cluster.MetaServers),
		WriteReject: int64(m.Limits.WriteReject), RowsPerSecond: m.Limits.RowsPerSecond,
		BytesPerSecond: m.Limits.BytesPerSecond, InFlight: m.Limits.InFlight, SendRate: m.Limits.SendRate,
		Window: m.Limits.Window, StopIf: m.Limits.StopIf, Approve: m.Approve,
	}
	if method, ok := m.Method.(*CopyMethod); ok {
		d.Tuning = tuningOf(method.CopyOptions)
	}
	if method, ok := m.Method.(*DuplicationMethod); ok {
		d.LagThreshold, d.TrafficProof = method.Cutover.LagThreshold, int64(method.Cutover.TrafficProof)
		if p := method.Cutover.MetaProxy; p != nil {
			d.Proxies = sortedSet(p.Proxies)
		}
	}
	if use, split := FilesOf(m.Method); use != nil {
		d.AdoptMaxAge = int64(use.AdoptMaxAge)
		d.NameNodes = sortedSet(append(slices.Clone(use.Provider.NameNodes), use.TargetProvider.NameNodes...))
		d.Users = sortedSet([]string{use.Provider.User, use.TargetProvider.User})
		if split != nil {
			d.Parallel = split.Parallel
		}
	}
	return digest(d), digest(id)
}

// digest hashes plain structs of strings and numbers, whose encoding cannot fail.
func digest(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func sortedSet(in []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(in)))
}

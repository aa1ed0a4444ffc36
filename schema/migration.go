package schema

import "github.com/hashicorp/hcl/v2"

// Migration is one checked migration block.
type Migration struct {
	// Name is unique in the configuration and fit to be a file name: letters, digits, '_', '-',
	// '.', not starting with a dot, at most 128 bytes.
	Name   string
	Source Source
	Target Target
	Method Method
	Limits Limits
	Verify Verify
	After  After
	// Approve lists the gates that stop apply until they are approved: a subset of
	// Method.Gates(), without repetitions, in the method's order.
	Approve []string
	// Range is the header of the block, for diagnostics and plans; MethodRange that of its method block.
	Range       hcl.Range
	MethodRange hcl.Range
	// Fingerprint is the lower-case hex SHA-256 of the whole normalised declaration. Formatting,
	// comments, the way a value was computed, and a default written out do not change it.
	Fingerprint string
	// IdentityFingerprint leaves out what may be changed while a migration is under way: Limits,
	// Approve, of method duplication LagThreshold, TrafficProof and Proxies, of method copy MultiSet and what
	// follows it in CopyOptions. A run that was begun
	// under another identity must not be resumed.
	IdentityFingerprint string
}

// Source is the table that rows come from, or a backup of it.
type Source struct {
	// Cluster is nil exactly when Backup is not.
	Cluster *Cluster
	// Table is the backup's when there is one.
	Table string
	// Backup is a cold backup that takes the place of a living table; nil for none.
	Backup *BackupSource
	Range  hcl.Range
}

// Label is the label of the source's cluster, "" for a backup.
func (s Source) Label() string {
	if s.Cluster == nil {
		return ""
	}
	return s.Cluster.Label
}

// MetaServers are those of the source's cluster, none for a backup.
func (s Source) MetaServers() []string {
	if s.Cluster == nil {
		return nil
	}
	return s.Cluster.MetaServers
}

// Clusters are the cluster blocks that the migration refers to, source first; one of them may occur twice.
func (m *Migration) Clusters() []*Cluster {
	if m.Source.Cluster == nil {
		return []*Cluster{m.Target.Cluster}
	}
	return []*Cluster{m.Source.Cluster, m.Target.Cluster}
}

// Target is the table that rows go to.
type Target struct {
	Cluster *Cluster
	Table   string // the source's when it is not declared
	// PartitionCount is a power of two from 1 on; nil means the source's count (which may be
	// any number and is not checked here).
	PartitionCount *int32
	// ReplicaCount is 1 or more; nil means the source's. What the cluster allows is only known
	// to its meta servers.
	ReplicaCount *int32
	// Envs are set over the ones carried from the source. Every key and value is one that
	// UPDATE_APP_ENV of 2.5 accepts. Never put them into the create request: default_ttl and
	// manual_compact.* there crash the servers. "" means that the source's value is not carried
	// (declared as null). Nil when none are declared.
	Envs     map[string]string
	IfExists IfExists
	Range    hcl.Range
}

// IfExists says what to do when the target table is there already.
type IfExists string

// The values of if_exists. The default is IfExistsFail.
const (
	IfExistsFail        IfExists = "fail"         // refuse
	IfExistsResumeEmpty IfExists = "resume_empty" // use it when it holds no row
	IfExistsMerge       IfExists = "merge"        // write into it, rows of its own stay
)

// Verify says how source and target are compared at the end.
type Verify struct {
	Mode VerifyMode
	// When is "" for methods that have no cut-over, and with VerifyOff.
	When VerifyWhen
	// Sample is the share of the rows that VerifySample compares, above 0 and below 1; 0 with other modes.
	Sample float64
	Range  hcl.Range // zero when the block is absent
}

// VerifyMode is how much is compared.
type VerifyMode string

// The values of verify.mode. The default is VerifyFull. VerifySample and VerifyCount are of method copy only.
const (
	VerifyFull   VerifyMode = "full"
	VerifySample VerifyMode = "sample" // some rows, drawn at random
	VerifyCount  VerifyMode = "count"  // how many rows there are
	VerifyOff    VerifyMode = "off"
)

// DefaultSample is the share that VerifySample compares when none is declared.
const DefaultSample = 0.01

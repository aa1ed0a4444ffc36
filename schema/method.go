package schema

// Method is how rows get from source to target. The set is sealed: *CopyMethod, *DuplicationMethod,
// *BackupRestoreMethod, *BackupBulkLoadMethod and *DualWriteMethod.
type Method interface {
	// Kind is the label of the method block: "copy".
	Kind() string
	// Gates are the points, in order, at which apply can be made to wait for a person.
	Gates() []string
	sealedMethod()
}

// CopyMethod reads rows of the source and writes them to the target.
type CopyMethod struct {
	SourceWrites SourceWrites
	CopyOptions
}

// SourceWrites says what keeps the source from changing under the copy.
type SourceWrites string

// The values of source_writes. The default is SourceWritesStopped.
const (
	// SourceWritesStopped is a promise of the operator that no client writes. It is checked
	// afterwards, it is not a guarantee.
	SourceWritesStopped SourceWrites = "stopped"
	// SourceWritesFenced rejects the writes of clients while rows are copied and compared.
	SourceWritesFenced SourceWrites = "fenced"
	// SourceWritesAccepted lets clients write: rows that change meanwhile may differ at the end.
	SourceWritesAccepted SourceWrites = "accepted"
	// SourceWritesCatchUp lets clients write while rows are copied, and then rejects their writes for as long
	// as it takes to compare both tables and to copy what differs. Method copy only.
	SourceWritesCatchUp SourceWrites = "catch_up"
)

// The gates of method copy.
const (
	GateCopy    = "copy"    // before the source is fenced and the first row moves; the target exists by then
	GateFence   = "fence"   // before the source is fenced, with SourceWritesCatchUp; the rows are copied by then
	GateUnfence = "unfence" // before the fence is lifted or handed over; only with a fence
)

// Kind implements Method.
func (*CopyMethod) Kind() string { return "copy" }

// Gates implements Method. GateUnfence exists only where there is a fence.
func (m *CopyMethod) Gates() []string {
	switch m.SourceWrites {
	case SourceWritesFenced:
		return []string{GateCopy, GateUnfence}
	case SourceWritesCatchUp:
		return []string{GateCopy, GateFence, GateUnfence}
	}
	return []string{GateCopy}
}

// Fences says whether the source rejects the writes of clients for some time.
func (m *CopyMethod) Fences() bool {
	return m.SourceWrites == SourceWritesFenced || m.SourceWrites == SourceWritesCatchUp
}

func (*CopyMethod) sealedMethod() {}

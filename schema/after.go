package schema

import (
	"time"

	"github.com/hashicorp/hcl/v2"
)

// After says what becomes of the source once the target is proven.
type After struct {
	// Source is AfterNone exactly when the method never fences the source.
	Source SourceAfter
	// Reserve is how long a dropped source stays recallable; zero unless Source is AfterDrop, whose
	// default is DefaultReserve.
	Reserve time.Duration
	Range   hcl.Range // zero when the block is absent
}

// SourceAfter is the end of the source table.
type SourceAfter string

// The values of after.source. With a fence the default of method copy is AfterUnfence, which is
// refused AfterDrop; that of method duplication is AfterKeepFenced.
const (
	AfterNone       SourceAfter = "" // there is no fence to decide about
	AfterUnfence    SourceAfter = "unfence"
	AfterKeepFenced SourceAfter = "keep_fenced"
	AfterDrop       SourceAfter = "drop"
)

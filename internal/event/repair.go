package event

import "time"

// RepairPlanned says what a repair would do, before anything is written.
type RepairPlanned struct {
	Step   string `json:"step"`
	Target string `json:"target"` // cluster/table that would be written to
	// Missing, Changed, Expiry and Drifted rows would be written as the source has them, Extra ones deleted.
	Missing uint64 `json:"missing"`
	Changed uint64 `json:"changed"`
	Expiry  uint64 `json:"expiry"`
	Extra   uint64 `json:"extra"`
	Drifted uint64 `json:"drifted"`
	// Left are differences that no request can mend: rows in partitions that their hash does not select.
	Left uint64 `json:"left"`
	// First are the first few of each kind.
	First []Difference `json:"first,omitempty"`
	// Report is the file that the differences are read from.
	Report string `json:"report"`
	// Notes say what to think of before it is approved.
	Notes []string `json:"notes,omitempty"`
}

// Writes is the number of rows that would be written.
func (p RepairPlanned) Writes() uint64 { return p.Missing + p.Changed + p.Expiry + p.Drifted }

// Repaired says what a repair did. Every row was read again on both sides before it was counted.
type Repaired struct {
	Step   string `json:"step"`
	Target string `json:"target"`
	// Looked is how many rows were looked at: Written, Deleted, Equal and Left of them.
	Looked  uint64 `json:"looked"`
	Written uint64 `json:"written"`
	Deleted uint64 `json:"deleted"`
	// Equal rows were so already when they were looked at again.
	Equal uint64 `json:"equal"`
	// Unseen rows are listed and were not looked at, because the repair stopped.
	Unseen uint64 `json:"unseen,omitempty"`
	// Left rows still differ.
	Left      uint64        `json:"left"`
	FirstLeft []Difference  `json:"first_left,omitempty"`
	Bytes     uint64        `json:"bytes"` // of keys and values that were written
	Elapsed   time.Duration `json:"elapsed_ns"`
}

// Name implements Event.
func (RepairPlanned) Name() string { return "repair_planned" }

// Name implements Event.
func (Repaired) Name() string { return "repaired" }

func (RepairPlanned) sealed() {}
func (Repaired) sealed()      {}

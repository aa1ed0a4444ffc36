package event

import "time"

// SplitDone says that the input of a bulk load is complete. In is the sum of Out and of what was left out.
type SplitDone struct {
	Step         string        `json:"step"`
	Where        string        `json:"where"` // folder of the table
	In           int64         `json:"in"`
	Out          int64         `json:"out"`
	Expired      int64         `json:"expired"`
	Filtered     int64         `json:"filtered"`
	Leftover     int64         `json:"leftover"`  // left by a partition split on the server
	Misplaced    int64         `json:"misplaced"` // in partitions that their hash does not select
	Skipped      int64         `json:"skipped"`   // the servers' own rows, not among In
	Placeholders int           `json:"placeholders"`
	Files        int           `json:"files"`
	Bytes        int64         `json:"bytes"`
	Partitions   int           `json:"partitions"`
	Kept         int           `json:"kept"` // partitions that an earlier run had finished
	Elapsed      time.Duration `json:"elapsed_ns"`
}

// Name implements Event.
func (SplitDone) Name() string { return "split_done" }

func (SplitDone) sealed() {}

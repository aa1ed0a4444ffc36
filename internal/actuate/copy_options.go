package actuate

import (
	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/copier"
	"github.com/pegmigrate/pegmigrate/plan"
)

// copyOptions are what a job says in the engine's terms. A filter that cannot be read, or a word that the
// engine does not know, is an error: a plan is checked before, a saved one may be of another version.
func copyOptions(job apply.CopyJob) (copier.Options, error) {
	o := job.Options
	rows, err := selection(o)
	if err != nil {
		return copier.Options{}, err
	}
	out := copier.Options{
		Partitions: o.Partitions, Filter: rows.Filter, DropTTL: o.DropTTL, DropValue: o.DropValue,
		MultiPutRows: o.MultiSetRows, MultiSetConcurrency: o.MultiSetConcurrency, ScanBatch: o.ScanBatch, Timeout: o.Timeout,
		InFlight: job.Limits.InFlight, RowsPerSecond: job.Limits.RowsPerSecond, BytesPerSecond: job.Limits.BytesPerSecond,
	}
	switch o.Overwrite {
	case "":
	case plan.OverwriteNever:
		out.Overwrite = copier.OverwriteNever
	case plan.OverwriteNeverUnatomic:
		out.Overwrite = copier.OverwriteNeverUnatomic
	default:
		return out, &unknownWord{name: "overwrite", word: o.Overwrite}
	}
	switch o.MultiSet {
	case "", plan.MultiSetAuto:
	case plan.MultiSetOn:
		out.MultiSet = copier.MultiSetOn
	case plan.MultiSetOff:
		out.MultiSet = copier.MultiSetOff
	default:
		return out, &unknownWord{name: "multi_set", word: o.MultiSet}
	}
	return out, nil
}

// unknownWord is a value of an option that this program does not know.
type unknownWord struct{ name, word string }

// Error names both.
func (e *unknownWord) Error() string { return e.name + ": this program knows no " + e.word }

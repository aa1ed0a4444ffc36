package differ

// SampleOptions tune RunSample. The zero value of every field is usable.
type SampleOptions struct {
	// LiveOptions apply as in RunLive; Method and OnEqual do not.
	LiveOptions
	// Share is the probability with which a row is chosen, above 0 and at most 1 (default 0.01).
	Share float64
	// Seed decides which rows are chosen; 0 draws one. The same seed chooses the same rows again.
	Seed uint64
}

// Confidence is how sure the bounds of a SampleResult are.
const Confidence = 0.95

// SampleResult is what a sample says about two tables.
type SampleResult struct {
	// Counts are of the chosen rows, but SourceRows, TargetRows, Unselected and misplaced rows are of all: their keys
	// were read.
	Counts
	Share float64 `json:"share"`
	Seed  uint64  `json:"seed"`
	// Sampled is how many rows were chosen and read on both sides.
	Sampled uint64 `json:"sampled"`
	// Found is how many of them differ.
	Found uint64 `json:"found"`
	// MaxShare is the share of differing rows that is exceeded with a probability of 5 % at most, by the bound of
	// Clopper and Pearson, of all rows that one side has or both; 3/Sampled, about, when none was found. 1 when no row
	// was chosen. MaxRows is how many rows that are at most.
	MaxShare float64 `json:"max_share"`
	MaxRows  uint64  `json:"max_rows"`
	// First are the first differences, at most 20.
	First []Shown `json:"first,omitempty"`
	// Open are keys that kept changing: they are neither equal nor found.
	Open [][]byte `json:"open,omitempty"`
	// TooMany says that there were more open keys than are kept.
	TooMany bool `json:"too_many,omitempty"`
}

// Unsaid is what a sample cannot tell, for whoever reads its result.
const Unsaid = "A sample bounds how many rows may differ; it does not find the rows, and says nothing about single ones that were not chosen."

// UnitCount are the rows of one residue class of partitions on both sides.
type UnitCount struct {
	Unit   int32  `json:"unit"`
	Source uint64 `json:"source"`
	Target uint64 `json:"target"`
}

// CountResult is the outcome of RunCount.
type CountResult struct {
	SourceRows uint64 `json:"source_rows"`
	TargetRows uint64 `json:"target_rows"`
	// Units is how many residue classes there are, Unequal those whose numbers differ, in order; with
	// Options.AllowExtra those of which the target has less.
	Units   int32       `json:"units"`
	Unequal []UnitCount `json:"unequal,omitempty"`
	// ByServers says that servers counted. They count rows in partitions that their hashes do not select like
	// others, while keys that were read here are told apart.
	ByServers bool `json:"by_servers,omitempty"`
	// MisplacedSource and MisplacedTarget are such rows, not among the rows above; 0 with ByServers.
	MisplacedSource uint64 `json:"misplaced_source,omitempty"`
	MisplacedTarget uint64 `json:"misplaced_target,omitempty"`
}

// Equal says that no number differs. It says nothing about which rows they are and what they hold.
func (r *CountResult) Equal() bool { return len(r.Unequal) == 0 }

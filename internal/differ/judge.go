package differ

import "github.com/pegmigrate/pegmigrate/internal/scan"

// Judge compares one reading of a key on both sides as a comparison does, nil for a row that is not there. kind is the
// way in which they disagree; same says that they do not, or that what they disagree about has expired or is about to;
// drift says that they are the same but for an expiry that default_ttl or clocks explain. Of opts it uses Tolerance,
// Clock, both TTLs, ExpirySkew, AllowExtra and Selection.
func Judge(source, target *scan.Row, opts LiveOptions) (kind Kind, same, drift bool) {
	opts.Options = opts.withDefaults().Options.withDefaults()
	r := liveRules(&opts)
	v, kind := r.judge(source, target)
	return kind, v != unequal, v == drifted
}

package scan

import (
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
)

// pushed is the form in which a match goes to the servers, which may ignore it: whoever scans with it
// checks the rows again. They know no exact match, so that a prefix stands for it; the empty pattern takes
// everything (src/server/pegasus_server_impl.cpp, validate_filter).
func pushed(m rowfilter.Match) pegasus.KeyFilter {
	f := pegasus.KeyFilter{Pattern: m.Pattern}
	switch m.Kind {
	case rowfilter.Anywhere:
		f.Type = idl.FilterAnywhere
	case rowfilter.Prefix, rowfilter.Exact:
		f.Type = idl.FilterPrefix
	case rowfilter.Postfix:
		f.Type = idl.FilterPostfix
	}
	if len(m.Pattern) == 0 || f.Type == idl.FilterNone {
		return pegasus.KeyFilter{}
	}
	return f
}

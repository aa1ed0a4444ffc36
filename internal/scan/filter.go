package scan

import (
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
)

// pushed is the form in which a match goes to the servers, which may ignore it: whoever scans with it
// checks the rows again. They know no exact match, so that a prefix stands for it; the empty pattern takes
// everything (src/server/pegasus_server_impl.cpp, validate_filter). A prefix that no hash key can have is checked here
// alone: servers make a key of it and end by an assertion (src/base/pegasus_key_schema.h, pegasus_generate_key).
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
	if len(m.Pattern) == 0 || len(m.Pattern) > pegkey.MaxHashKey || f.Type == idl.FilterNone {
		return pegasus.KeyFilter{}
	}
	return f
}

package cli

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/view"
	"github.com/pegmigrate/pegmigrate/schema"
)

// sink gives the listener of a run: JSON on stdout, or talk on stderr. Call the function when the
// run is over; it returns once everything is on the screen.
func (e Env) sink(json bool) (event.Sink, func()) {
	if json {
		return view.NewJSONSink(e.Stdout, e.Now), func() {}
	}
	s := view.NewRunView(e.Stderr, e.style(e.Stderr), e.Now)
	return s, s.Close
}

// loadQuietly reads a configuration and leaves the diagnostics to the caller.
func loadQuietly(o configOptions) (*schema.Config, hcl.Diagnostics) {
	return schema.Load(o.path, o.vars)
}

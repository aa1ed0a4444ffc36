package cli

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/view"
	"github.com/pegmigrate/pegmigrate/schema"
)

// sink gives the listener of a run: JSON on stdout, or talk on stderr. Call the function when the
// run is over; it returns once everything is on the screen.
func (e Env) sink(json bool) (event.Sink, func()) {
	if json {
		s := view.NewJSONSink(e.Stdout, e.Now)
		return s, s.Close
	}
	s := view.NewRunView(e.Stderr, e.style(e.Stderr), e.Now)
	return s, s.Close
}

// loadQuietly reads a configuration and leaves the diagnostics to the caller.
func loadQuietly(o configOptions) (*schema.Config, hcl.Diagnostics) {
	return schema.Load(o.path, o.vars)
}

// counted writes "1 cluster", "2 clusters".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

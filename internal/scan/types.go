package scan

import "github.com/pegmigrate/pegmigrate/internal/pegasus"

// Row is one row as a scan delivers it.
type Row = pegasus.Row

// Retry says what a request met before it was tried again.
type Retry = pegasus.Retry

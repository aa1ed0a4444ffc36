package cli

import (
	"io"
	"os"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/provider"
	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// Env is what commands take from the process around them. Tests replace parts of it: the crash
// loop counts and kills at file operations and requests.
type Env struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Environ is the environment as os.Environ gives it.
	Environ []string
	FS      atomicfile.FS
	Now     func() time.Time
	Wire    wire.Options
	// Waits are the intervals that no server reports.
	Waits apply.Waits
	// HDFS opens stores of type hdfs_service; nil means a client of HDFS.
	HDFS provider.Opener
	// Version is the tool's own version.
	Version string
}

// OS is the environment of a real process.
func OS(version string) Env {
	return Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(),
		FS: atomicfile.OS{}, Now: time.Now, Waits: apply.DefaultWaits(), Version: version,
	}
}

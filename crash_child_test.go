package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/cli"
	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// The environment of a process that is to be killed.
const (
	envCrashAt = "PEGMIGRATE_TEST_CRASH_AT" // number of the point, from 1; 0 only counts
	envPoints  = "PEGMIGRATE_TEST_POINTS"   // file that gets the number of points of a whole run
	// envTransient is how long a failed look is tried again, a duration; not at all when empty.
	envTransient = "PEGMIGRATE_TEST_TRANSIENT"
)

// dataStride: of reads and writes of rows only every tenth is a point, before and after.
const dataStride = 10

// killer ends the process with SIGKILL at the n-th point of its life. A point is a moment before
// or after a control request, before or after a state file is replaced or a journal synced, and
// before or after every tenth request for rows.
type killer struct {
	at    int64
	count atomic.Int64
	data  atomic.Int64
}

func (k *killer) point() {
	if n := k.count.Add(1); n == k.at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal arrives
	}
}

func (k *killer) request(p wire.Point) {
	if p.Control || k.data.Add(1)%dataStride == 0 {
		k.point()
	}
}

func (k *killer) file(op atomicfile.Op) error {
	switch op.Kind {
	case atomicfile.OpRename, atomicfile.OpAppendSync, atomicfile.OpRemove:
		k.point()
	}
	return nil
}

// mortal is pegmigrate with a killer inside and short waits.
func mortal() {
	at, _ := strconv.ParseInt(os.Getenv(envCrashAt), 10, 64)
	transient, _ := time.ParseDuration(os.Getenv(envTransient))
	k := &killer{at: at}
	e := cli.OS("test")
	e.Waits = apply.Waits{
		Poll: 5 * time.Millisecond, Call: 10 * time.Second, Healthy: time.Minute,
		FenceMargin: 20 * time.Second, Settle: 30 * time.Millisecond, Watch: 50 * time.Millisecond, Undo: time.Minute,
		Transient: transient,
		Prepare:   time.Minute, Copying: time.Minute, Stall: time.Minute, Traffic: time.Minute,
		Sample: 15 * time.Millisecond, DuplicationSync: 50 * time.Millisecond,
		Files: 20 * time.Millisecond, Uploads: 300 * time.Millisecond,
	}
	ended := func() error { return nil }
	if os.Getenv(envCrashStep) != "" {
		e.Waits.Poll = 20 * time.Millisecond
		ended = mortalSteps(&e)
	} else {
		e.FS, e.Wire.Observe = atomicfile.Observed(e.FS, k.file), k.request
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	code := cli.Run(ctx, os.Args, e)
	if err := ended(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 99
	}
	if path := os.Getenv(envPoints); path != "" {
		if err := os.WriteFile(path, fmt.Append(nil, k.count.Load()), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 99
		}
	}
	os.Exit(code)
}

package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pegmigrate/pegmigrate/internal/cli"
	"github.com/pegmigrate/pegmigrate/internal/sandboxtest"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata/script")

// parallelTests is how many tests of this package run at once: they wait for servers and other processes
// most of the time, and one per core would leave a small machine idle.
const parallelTests = "4"

// TestMain makes the test binary be pegmigrate when a script runs it.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", parallelTests); err != nil { // -parallel on the command line goes before it
		panic(err)
	}
	testscript.Main(m, map[string]func(){"pegmigrate": scripted, "mortal": mortal})
}

// envSample is the time between two looks at counters, a duration: the servers of scripts live 200 times
// faster than real ones, and the wait for counters of traffic would be most of what a script does.
const envSample = "PEGMIGRATE_TEST_SAMPLE"

// envArrival is how long a write of a client that writes both tables may take to be on the target.
const envArrival = "PEGMIGRATE_TEST_ARRIVAL"

// envPrepare is how long a duplication may stay in DS_PREPARE.
const envPrepare = "PEGMIGRATE_TEST_PREPARE"

// scriptLook is the time between two looks at a block store and at what servers do with it, for the same reason.
const scriptLook = 100 * time.Millisecond

// scriptQuiet is how long no server may upload before a backup that died is removed.
const scriptQuiet = 500 * time.Millisecond

// scripted is pegmigrate as scripts run it.
func scripted() {
	e := cli.OS(cli.BuildVersion())
	e.Waits.Files = scriptLook
	e.Waits.Uploads = scriptQuiet
	e.HDFS = sandboxtest.OpenHDFS
	if d, err := time.ParseDuration(os.Getenv(envSample)); err == nil {
		e.Waits.Sample, e.Waits.Files = d, d
	}
	if d, err := time.ParseDuration(os.Getenv(envArrival)); err == nil {
		e.Waits.Arrival = d
	}
	if d, err := time.ParseDuration(os.Getenv(envPrepare)); err == nil {
		e.Waits.Prepare = d
	}
	os.Exit(run(e))
}

// TestScripts runs testdata/script: each script reads like a page of the manual and starts with
// two clusters, a and b, in this process, which pegmigrate reaches over TCP as a process of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                sandboxtest.Commands(),
		Setup: func(env *testscript.Env) error {
			// Children of scripts must not colour, page or ask for the user's own files.
			env.Setenv("NO_COLOR", "1")
			env.Setenv("HOME", env.WorkDir)
			backups, err := filepath.Abs("internal/backup/testdata")
			if err != nil {
				return err
			}
			env.Setenv("BACKUPS", backups) // a real cold backup, read only
			env.Setenv("SHUT", window(6*time.Hour, time.Hour))
			env.Setenv("OPEN", window(-6*time.Hour, 12*time.Hour))
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			env.Defer(cancel)
			return sandboxtest.Setup(ctx, env)
		},
		Deadline: deadline(t),
	})
}

// window is a daily window that opens so long from now, for so long. No script lives to see that change.
func window(in, length time.Duration) string {
	opens := time.Now().UTC().Add(in)
	return opens.Format("15:04") + "-" + opens.Add(length).Format("15:04")
}

func deadline(t *testing.T) time.Time {
	if d, ok := t.Deadline(); ok {
		return d
	}
	return time.Now().Add(10 * time.Minute)
}

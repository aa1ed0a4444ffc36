package state

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// runUntilKilled is the life of a process that does the run of the crash tests on the real disk and ends by SIGKILL at
// one of its operations.
func runUntilKilled(dir, point string) {
	at, err := strconv.Atoi(point)
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	n := 0
	err = run(atomicfile.Observed(atomicfile.OS{}, func(atomicfile.Op) error {
		if n++; n > at {
			return errors.Join(syscall.Kill(os.Getpid(), syscall.SIGKILL), errKilled)
		}
		return nil
	}), dir, &world{})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestKillMinusNine does with real processes and a real disk what TestCrashAtEveryOperation does in memory, which holds
// the one in memory to the truth: the lock of the dead is free, and the next process finishes.
func TestKillMinusNine(t *testing.T) {
	exe, err := os.Executable()
	must(t, err)
	for point := 0; ; point++ {
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(os.Environ(), "PEGMIGRATE_TEST_RUN="+dir, "PEGMIGRATE_TEST_KILL_AT="+strconv.Itoa(point))
		out, err := cmd.CombinedOutput()
		if err != nil {
			status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !ok || status.Signal() != syscall.SIGKILL {
				t.Fatalf("point %d: %v: %s", point, err, out)
			}
		}
		if _, err := ReadOnly(atomicfile.OS{}, dir, testName); err != nil && !errors.Is(err, ErrNoState) {
			t.Fatalf("point %d: %v", point, err)
		}
		finish(t, atomicfile.OS{}, dir)
		if err == nil {
			t.Logf("%d crash points", point)
			return
		}
	}
}

package state

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// holdLock is the life of the other process: it opens the state, says so, and waits for the end of its input.
func holdLock(dir string) {
	s, err := Open(atomicfile.OS{}, dir, testName, Self("pegmigrate apply other", time.Now()))
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println("locked")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := s.Close(); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// startHolder returns a process that holds the lock, and the pipe whose closing ends it.
func startHolder(t *testing.T, dir string) (*exec.Cmd, io.Closer) {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), "PEGMIGRATE_TEST_HOLD_LOCK="+dir)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "locked\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	return cmd, in
}

func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	other, in := startHolder(t, dir)
	self := Self("pegmigrate apply", time.Now())
	_, err := Open(atomicfile.OS{}, dir, testName, self)
	locked, ok := errors.AsType[*LockedError](err)
	if !ok || locked.Foreign || locked.Holder == nil || locked.Holder.PID != other.Process.Pid ||
		locked.Holder.Command != "pegmigrate apply other" || locked.Holder.Host != self.Host {
		t.Fatalf("%v", err)
	}
	for _, force := range []bool{false, true} {
		if err := Unlock(atomicfile.OS{}, dir, testName, force); !isA[*LockedError](err) {
			t.Fatalf("unlock(force %v) of a living holder: %v", force, err)
		}
	}
	if _, err := ReadOnly(atomicfile.OS{}, dir, testName); !errors.Is(err, ErrNoState) {
		t.Fatalf("reading needs no lock: %v", err)
	}
	must(t, in.Close())
	must(t, other.Wait())
	s, err := Open(atomicfile.OS{}, dir, testName, self)
	must(t, err)
	if _, err := Open(atomicfile.OS{}, dir, testName, self); !isA[*LockedError](err) {
		t.Fatalf("a second Open in one process: %v", err)
	}
	must(t, s.Close())
	if h, err := ReadHolder(atomicfile.OS{}, dir, testName); h != nil || err != nil {
		t.Fatalf("a record after a proper end: %v, %v", h, err)
	}
}

// The kernel drops the lock of a killed process: the next run needs neither a question nor an unlock.
func TestAKilledProcessLeavesNoLock(t *testing.T) {
	dir := t.TempDir()
	other, _ := startHolder(t, dir)
	must(t, other.Process.Kill())
	_ = other.Wait() // says "killed"
	h, err := ReadHolder(atomicfile.OS{}, dir, testName)
	if err != nil || h == nil || h.PID != other.Process.Pid {
		t.Fatalf("record of the dead: %v, %v", h, err)
	}
	s, err := Open(atomicfile.OS{}, dir, testName, Self("pegmigrate apply", time.Now()))
	must(t, err)
	must(t, s.Close())

	other, _ = startHolder(t, dir)
	must(t, other.Process.Kill())
	_ = other.Wait()
	must(t, Unlock(atomicfile.OS{}, dir, testName, false))
	if err := Unlock(atomicfile.OS{}, dir, testName, false); !errors.Is(err, ErrNotLocked) {
		t.Fatalf("second unlock: %v", err)
	}
}

func TestUnlockWhereNothingIs(t *testing.T) {
	dir := t.TempDir()
	if err := Unlock(atomicfile.OS{}, dir, testName, false); !errors.Is(err, ErrNotLocked) {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, Folder)); err == nil {
		t.Fatal("unlock made the folder")
	}
}

func TestARecordOfAnotherHostIsBelieved(t *testing.T) {
	disk := newDisk()
	mustOpen(t, disk)
	disk = disk.Kill() // with the record of ops1, without its lock
	here := testHolder()
	here.Host = "ops2"
	_, err := Open(disk, testDir, testName, here)
	locked, ok := errors.AsType[*LockedError](err)
	if !ok || !locked.Foreign || !strings.Contains(err.Error(), "pegmigrate state unlock -force orders") ||
		!strings.Contains(err.Error(), "ann on ops1 (process 4711, since 2026-11-21T03:00:00Z): pegmigrate apply") {
		t.Fatalf("%v", err)
	}
	if err := Unlock(disk, testDir, testName, false); !isA[*LockedError](err) {
		t.Fatalf("unlock: %v", err)
	}
	must(t, Unlock(disk, testDir, testName, true))
	s, err := Open(disk, testDir, testName, here)
	must(t, err)
	mustClose(t, s)
}

func TestAnUnreadableRecord(t *testing.T) {
	disk := newDisk()
	must(t, disk.MkdirAll(filepath.Join(testDir, Folder)))
	writeDisk(t, disk, holderPath(testDir, testName), []byte("{"))
	if err := Unlock(disk, testDir, testName, false); !isA[*LockedError](err) {
		t.Fatalf("unlock: %v", err)
	}
	if _, err := Open(noLocks{disk}, testDir, testName, testHolder()); !isA[*LockedError](err) {
		t.Fatalf("no locks and no record: %v", err)
	}
	mustClose(t, mustOpen(t, disk)) // the lock is enough
}

// noLocks is a network file system without locks.
type noLocks struct{ atomicfile.FS }

func (noLocks) TryLock(path string) (io.Closer, error) {
	return nil, fmt.Errorf("%s: %w", path, atomicfile.ErrLockUnsupported)
}

func TestWithoutLocksTheRecordDecides(t *testing.T) {
	fsys := noLocks{newDisk()}
	alive := true
	processes := func(o *openOptions) { o.alive = func(pid int) bool { return alive && pid == 4711 } }
	first, err := Open(fsys, testDir, testName, testHolder(), processes)
	must(t, err)
	second := testHolder()
	second.PID = 4712
	if _, err := Open(fsys, testDir, testName, second, processes); !isA[*LockedError](err) {
		t.Fatalf("a living process was not believed: %v", err)
	}
	p := place{fsys: fsys, dir: testDir, migration: testName, alive: func(int) bool { return alive }}
	for _, force := range []bool{false, true} {
		if err := p.unlock("ops1", force); !isA[*LockedError](err) {
			t.Fatalf("unlock(force %v): %v", force, err)
		}
	}
	alive = false
	s, err := Open(fsys, testDir, testName, second, processes)
	must(t, err)
	mustClose(t, s)
	mustClose(t, first) // its record is gone already
	if err := p.unlock("ops1", false); !errors.Is(err, ErrNotLocked) {
		t.Fatal(err)
	}
}

// Two runs that look at the same moment: the one whose record was overwritten gives way.
func TestWithoutLocksALostRaceIsSeen(t *testing.T) {
	disk := newDisk()
	rival := []byte(`{"who":"bob","host":"ops9","pid":1,"command":"c","since":"2026-11-21T03:00:00Z"}`)
	fsys := atomicfile.Observed(noLocks{disk}, func(op atomicfile.Op) error {
		if op.Kind == atomicfile.OpSyncDir && op.Phase == atomicfile.After && op.Path == filepath.Join(testDir, Folder) {
			return atomicfile.WriteFile(disk, holderPath(testDir, testName), rival)
		}
		return nil
	})
	_, err := Open(fsys, testDir, testName, testHolder())
	locked, ok := errors.AsType[*LockedError](err)
	if !ok || !locked.Foreign || locked.Holder.Who != "bob" {
		t.Fatalf("%v", err)
	}
	if h, err := ReadHolder(disk, testDir, testName); err != nil || h == nil || h.Who != "bob" {
		t.Fatalf("the loser removed the record of the winner: %v, %v", h, err)
	}
}

func TestProcessAlive(t *testing.T) {
	if !processAlive(os.Getpid()) || !processAlive(1) || processAlive(0) || processAlive(-1) {
		t.Fatal("wrong about this process, process 1, or no process")
	}
	cmd := exec.CommandContext(t.Context(), "true")
	must(t, cmd.Run())
	if processAlive(cmd.Process.Pid) {
		t.Fatal("wrong about a process that ended")
	}
}

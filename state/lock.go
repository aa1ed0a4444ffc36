package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"syscall"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// ErrNotLocked says that there was nothing to unlock.
var ErrNotLocked = errors.New("not locked")

// Self describes this process.
func Self(command string, since time.Time) Holder {
	h := Holder{Who: "unknown", Host: hostname(), PID: os.Getpid(), Command: command, Since: since.UTC().Round(0)}
	if u, err := user.Current(); err == nil {
		h.Who = u.Username
	}
	return h
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// lock is a lock that is held.
type lock struct {
	fsys   atomicfile.FS
	record string    // path of the holder record
	flock  io.Closer // nil where the file system has no locks
}

// place is where locks of one migration are, and how to find out about processes of this host.
type place struct {
	fsys      atomicfile.FS
	dir       string
	migration string
	alive     func(pid int) bool
}

func (p place) lockedBy(h *Holder, foreign bool) error {
	return &LockedError{Path: Path(p.dir, p.migration), Holder: h, Foreign: foreign, Migration: p.migration}
}

// acquire takes the lock for self or returns a *LockedError. The folder must exist.
func (p place) acquire(self Holder) (*lock, error) {
	l := &lock{fsys: p.fsys, record: holderPath(p.dir, p.migration)}
	flock, err := p.fsys.TryLock(lockPath(p.dir, p.migration))
	switch {
	case err == nil:
		l.flock = flock
	case errors.Is(err, atomicfile.ErrLocked):
		holder, _ := ReadHolder(p.fsys, p.dir, p.migration) // only for the message
		return nil, p.lockedBy(holder, false)
	case !errors.Is(err, atomicfile.ErrLockUnsupported):
		return nil, fmt.Errorf("lock the state: %w", err)
	}
	if err := p.register(l, self); err != nil {
		return nil, errors.Join(err, l.drop())
	}
	return l, nil
}

// register believes or overwrites the record of an earlier holder. See the package comment for when which.
func (p place) register(l *lock, self Holder) error {
	if err := p.refuseEarlier(l, self); err != nil {
		return err
	}
	data, err := json.Marshal(self)
	if err != nil {
		return fmt.Errorf("lock the state: %w", err)
	}
	if err := atomicfile.RemoveTemporary(p.fsys, l.record); err != nil {
		return fmt.Errorf("lock the state: %w", err)
	}
	if err := atomicfile.WriteFile(p.fsys, l.record, append(data, '\n')); err != nil {
		return &WriteError{Path: l.record, Err: err}
	}
	if l.flock != nil {
		return nil
	}
	// No lock decides, so look whether somebody wrote at the same time.
	now, err := ReadHolder(p.fsys, p.dir, p.migration)
	if err != nil || now == nil || now.Host != self.Host || now.PID != self.PID || !now.Since.Equal(self.Since) {
		return p.lockedBy(now, now != nil && now.Host != self.Host)
	}
	return nil
}

func (p place) refuseEarlier(l *lock, self Holder) error {
	earlier, err := ReadHolder(p.fsys, p.dir, p.migration)
	switch {
	case err != nil && l.flock == nil:
		return p.lockedBy(nil, true) // a record that nobody can read, and no lock: assume the worst
	case err != nil, earlier == nil:
		return nil
	case earlier.Host != self.Host:
		return p.lockedBy(earlier, true)
	case l.flock == nil && earlier.PID != self.PID && p.alive(earlier.PID):
		return p.lockedBy(earlier, false)
	}
	return nil
}

// release gives the lock back and removes the record.
func (l *lock) release() error {
	err := atomicfile.RemoveFile(l.fsys, l.record)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.drop())
}

// drop gives the lock back and leaves the record.
func (l *lock) drop() error {
	if l.flock == nil {
		return nil
	}
	return l.flock.Close()
}

// ReadHolder returns what the present or last holder said about itself, nil when it ended properly. A record that is
// there does not mean that its process lives. It takes no lock.
func ReadHolder(fsys atomicfile.FS, dir, migration string) (*Holder, error) {
	path := holderPath(dir, migration)
	data, err := fsys.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the lock holder: %w", err)
	}
	var h Holder
	if err := json.Unmarshal(data, &h); err != nil {
		return nil, fmt.Errorf("read the lock holder: %s: %w", path, err)
	}
	return &h, nil
}

// Unlock removes the record of a holder that is gone, for `state unlock`. It returns an error that wraps ErrNotLocked when
// there is none. It refuses with a *LockedError when the holder is alive: when it holds the flock, whatever its host, or,
// where there are no flocks, when its process exists on this host. A holder on another host without a flock cannot be
// looked at from here; it is refused unless force says that the operator has looked.
func Unlock(fsys atomicfile.FS, dir, migration string, force bool) error {
	if err := checkName("the migration", migration); err != nil {
		return err
	}
	p := place{fsys: fsys, dir: dir, migration: migration, alive: processAlive}
	return p.unlock(hostname(), force)
}

func (p place) unlock(host string, force bool) (err error) {
	notLocked := fmt.Errorf("%s: %w", Path(p.dir, p.migration), ErrNotLocked)
	if _, err := p.fsys.ReadFile(holderPath(p.dir, p.migration)); errors.Is(err, fs.ErrNotExist) {
		return notLocked // without making a lock file in a folder that may not exist
	}
	flock, err := p.fsys.TryLock(lockPath(p.dir, p.migration))
	holder, readErr := ReadHolder(p.fsys, p.dir, p.migration)
	switch {
	case errors.Is(err, atomicfile.ErrLocked):
		return p.lockedBy(holder, false)
	case err == nil:
		defer func() { err = errors.Join(err, flock.Close()) }()
	case !errors.Is(err, atomicfile.ErrLockUnsupported):
		return fmt.Errorf("unlock the state: %w", err)
	}
	switch {
	case readErr != nil && !force:
		return p.lockedBy(nil, true)
	case readErr == nil && holder == nil:
		return notLocked // it ended while we looked
	case readErr == nil && holder.Host != host && !force:
		return p.lockedBy(holder, true)
	case readErr == nil && holder.Host == host && flock == nil && p.alive(holder.PID):
		return p.lockedBy(holder, false)
	}
	return atomicfile.RemoveFile(p.fsys, holderPath(p.dir, p.migration))
}

// Gone says that the holder's process has ended without saying so: it ran on this host and is not
// there any more. False for another host, where nobody can know.
func (h *Holder) Gone() bool { return h.Host == hostname() && !processAlive(h.PID) }

// processAlive says whether a process of this host has that ID. A process of somebody else counts.
func processAlive(pid int) bool {
	if pid <= 0 {
		return false
	}
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

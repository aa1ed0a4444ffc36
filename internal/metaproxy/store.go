package metaproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// Reader reads route records. It is safe for concurrent use and holds nothing between calls.
type Reader struct{ opts Options }

// Store reads and changes route records. It is safe for concurrent use and holds nothing between
// calls.
type Store struct{ Reader }

// NewReader reads from the ZooKeeper of o.
func NewReader(o Options) *Reader { return &Reader{o.withDefaults()} }

// NewStore reads and changes records in the ZooKeeper of o.
func NewStore(o Options) *Store { return &Store{Reader{o.withDefaults()}} }

// Read gives the record at path as it is now. Errors: ErrNoRecord, ErrDenied, ErrSilent; ErrInvalid
// and ErrTooFewAddrs, both with the raw record and its version; the cause of ctx.
func (r *Reader) Read(ctx context.Context, path string) (Record, error) {
	now, err := r.fetch(ctx, path)
	if err != nil {
		return Record{}, fmt.Errorf("%s: %w", path, err)
	}
	return decoded(path, now.raw, now.version)
}

func decoded(path string, raw []byte, version int32) (Record, error) {
	rec, err := Decode(raw)
	rec.Version = version
	if err != nil {
		return rec, fmt.Errorf("%s: %w", path, err)
	}
	return rec, nil
}

// stored is a znode's data.
type stored struct {
	raw     []byte
	version int32
}

func (r *Reader) fetch(ctx context.Context, path string) (now stored, err error) {
	err = r.with(ctx, func(s *session) (bool, error) {
		now, err = do(ctx, s, r.opts.Answer, func() (stored, error) {
			if _, err := s.conn.Sync(path); err != nil {
				return stored{}, err
			}
			raw, stat, err := s.conn.Get(path)
			if err != nil {
				return stored{}, err
			}
			return stored{raw, stat.Version}, nil
		})
		if err != nil {
			return final(err), said(err)
		}
		return true, nil
	})
	return now, err
}

// Access tells whether the ACL of the record lets us change it, without trying. Errors as Read,
// without those about the content.
func (r *Reader) Access(ctx context.Context, path string) (Access, error) {
	var out Access
	err := r.with(ctx, func(s *session) (bool, error) {
		acl, err := do(ctx, s, r.opts.Answer, func() ([]zk.ACL, error) {
			acl, _, err := s.conn.GetACL(path)
			return acl, err
		})
		if err != nil {
			return final(err), said(err)
		}
		out = r.opts.Identity.access(acl, s.local())
		return true, nil
	})
	if err != nil {
		return Access{}, fmt.Errorf("ACL of %s: %w", path, err)
	}
	return out, nil
}

// CompareAndSet writes raw, a whole record as Record.With gives it, if the record still has prior's
// version, by one Set at most. It returns the record with its new version. Errors: ErrMoved,
// ErrNoRecord, ErrDenied and ErrInvalid (raw is no record) changed nothing; ErrOutcomeUnknown is
// explained in the package comment; any other, ErrSilent among them, was never sent.
func (s *Store) CompareAndSet(ctx context.Context, path string, prior Record, raw []byte) (Record, error) {
	if _, err := Decode(raw); err != nil {
		return Record{}, fmt.Errorf("%s is not written: %w", path, err)
	}
	if prior.Version < 0 || prior.Version == math.MaxInt32 {
		// -1 would mean any version to ZooKeeper.
		return Record{}, fmt.Errorf("%s is not written: %d is no version of a record that was read", path, prior.Version)
	}
	version, err := s.set(ctx, path, raw, prior.Version)
	if errors.Is(err, ErrOutcomeUnknown) {
		version, err = s.readBack(ctx, path, raw, prior.Version, err)
	}
	if err != nil {
		return Record{}, fmt.Errorf("%s: %w", path, err)
	}
	return decoded(path, slices.Clone(raw), version)
}

// Fence writes the record as it was read again, so that a Set on its version which is still under
// way fails when it arrives. Errors as CompareAndSet: ErrMoved says that such a Set, or somebody
// else's, came first, and that none on the old version can take effect any more; ErrOutcomeUnknown
// leaves the doubt, and Fence may be called again with the same record.
func (s *Store) Fence(ctx context.Context, path string, rec Record) (Record, error) {
	return s.CompareAndSet(ctx, path, rec, rec.Raw)
}

func (s *Store) set(ctx context.Context, path string, raw []byte, on int32) (version int32, err error) {
	err = s.with(ctx, func(x *session) (bool, error) {
		s.opts.observe(x.addr, wire.BeforeSend)
		stat, err := do(ctx, x, s.opts.Answer, func() (*zk.Stat, error) { return x.conn.Set(path, raw, on) })
		if err == nil {
			s.opts.observe(x.addr, wire.AfterReply)
			version = stat.Version
			return true, nil
		}
		sent := x.bar()
		switch {
		case refusal(err), readOnly(err):
			s.opts.observe(x.addr, wire.AfterReply)
			return true, said(err)
		case sent:
			return true, fmt.Errorf("%w (%s: %v)", ErrOutcomeUnknown, x.addr, err) //nolint:errorlint // the end of ctx would hide it
		}
		return false, err
	})
	return version, err
}

// readBack looks what became of a Set whose answer was lost.
func (s *Store) readBack(ctx context.Context, path string, raw []byte, on int32, unknown error) (int32, error) {
	now, err := s.fetch(ctx, path)
	switch version := now.version; {
	case err != nil:
		return 0, fmt.Errorf("%w; reading it back failed: %v", unknown, err) //nolint:errorlint // ErrSilent would say that nothing was sent
	case version == on+1 && bytes.Equal(now.raw, raw):
		return version, nil
	case version == on+1:
		return 0, fmt.Errorf("%w: version %d is not ours", ErrMoved, version)
	case version > on+1:
		return 0, fmt.Errorf("%w; it was written again since, at version %d", unknown, version)
	}
	return 0, fmt.Errorf("%w; so far it has not taken effect", unknown)
}

// with runs work on a session, server after server, until it says that the outcome is final.
func (r *Reader) with(ctx context.Context, work func(*session) (final bool, err error)) error {
	switch {
	case r.opts.Identity.bad != nil:
		return r.opts.Identity.bad
	case len(r.opts.Servers) == 0:
		return &SilentError{}
	}
	var answers []ServerAnswer
	for round := range rounds {
		if round > 0 && !rest(ctx, betweenRounds) {
			break
		}
		answers = answers[:0]
		for i, addr := range r.opts.Servers {
			if ctx.Err() != nil {
				break
			}
			limit := share(ctx, r.opts.Session, len(r.opts.Servers)-i)
			final, err := r.try(ctx, addr, limit, work)
			if final {
				return err
			}
			answers = append(answers, ServerAnswer{addr, err})
		}
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Cause(ctx)
	}
	return &SilentError{answers}
}

// try runs work on a session of one server.
func (r *Reader) try(ctx context.Context, addr string, limit time.Duration, work func(*session) (bool, error)) (bool, error) {
	x, err := begin(ctx, r.opts, addr, limit)
	if err != nil {
		return false, err
	}
	defer x.end()
	if r.opts.Identity.known() {
		_, err := do(ctx, x, r.opts.Answer, func() (struct{}, error) {
			return struct{}{}, x.conn.AddAuth("digest", []byte(r.opts.Identity.user+":"+r.opts.Identity.password))
		})
		if errors.Is(err, zk.ErrAuthFailed) {
			return true, fmt.Errorf("%w: the identity in %s is not accepted", ErrDenied, EnvIdentity)
		}
		if err != nil {
			return false, err
		}
	}
	return work(x)
}

// share is the time that one of n servers gets, so that silent ones leave some to the others.
func share(ctx context.Context, most time.Duration, n int) time.Duration {
	if d, ok := ctx.Deadline(); ok {
		return min(most, time.Until(d)/time.Duration(n))
	}
	return most
}

// rest waits unless ctx ends first.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// refusal tells whether an error is a server's answer that nothing was changed.
func refusal(err error) bool {
	for _, answer := range []error{zk.ErrBadVersion, zk.ErrNoNode, zk.ErrNoAuth, zk.ErrAuthFailed, zk.ErrInvalidPath,
		zk.ErrSessionExpired, zk.ErrSessionMoved} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

// readOnly tells whether a server has lost its quorum and says that it changes nothing
// (KeeperException.Code.NOTREADONLY, -119; the library has no value for it).
func readOnly(err error) bool { return err != nil && err.Error() == "unknown error: -119" }

// final tells whether another server would answer the same.
func final(err error) bool {
	return refusal(err) && !errors.Is(err, zk.ErrSessionExpired) && !errors.Is(err, zk.ErrSessionMoved)
}

// errReadOnly is an answer: nothing was changed, and the same may succeed in a moment.
var errReadOnly = errors.New("the ZooKeeper server has no quorum and changes nothing")

// said puts a server's refusal into this package's words.
func said(err error) error {
	switch {
	case errors.Is(err, zk.ErrBadVersion):
		return ErrMoved
	case errors.Is(err, zk.ErrNoNode):
		return ErrNoRecord
	case errors.Is(err, zk.ErrNoAuth):
		return fmt.Errorf("%w (%s=digest:user:password gives an identity)", ErrDenied, EnvIdentity)
	case errors.Is(err, zk.ErrAuthFailed):
		return ErrDenied
	case readOnly(err):
		return errReadOnly
	}
	return err
}

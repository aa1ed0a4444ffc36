package metaproxy

import (
	"errors"
	"fmt"
	"strings"
)

// The errors of this package; each is wrapped with the path or server it is about.
var (
	// ErrNoRecord says that there is no znode of that path.
	ErrNoRecord = errors.New("there is no such record in ZooKeeper")
	// ErrInvalid says that a record is no JSON object with the two strings that MetaProxy reads.
	ErrInvalid = errors.New("the record is not what MetaProxy reads")
	// ErrTooFewAddrs says that a record lists fewer than two meta servers; MetaProxy answers
	// ERR_INVALID_DATA to clients then (meta/client.go, parseToMetaList).
	ErrTooFewAddrs = errors.New("the record lists fewer than two meta servers, MetaProxy wants two (a single one is written twice)")
	// ErrDenied says that the ACL of the record, or the identity that was given, does not let us.
	ErrDenied = errors.New("ZooKeeper does not allow it")
	// ErrMoved says that the record has not the version it was read with: nothing was changed.
	ErrMoved = errors.New("the record was changed by somebody else")
	// ErrSilent says that no ZooKeeper server took us: nothing was sent. See SilentError.
	ErrSilent = errors.New("no ZooKeeper server answers")
	// ErrOutcomeUnknown says that a Set left and its answer was lost: it may take effect yet, until
	// a later write on the same version. See the package comment.
	ErrOutcomeUnknown = errors.New("the record may or may not be changed, now or in a moment")
)

// ServerAnswer is why one ZooKeeper server was of no use.
type ServerAnswer struct {
	Addr string
	Err  error
}

// SilentError lists what every ZooKeeper server said. It wraps ErrSilent and the causes.
type SilentError struct {
	Answers []ServerAnswer
}

// Error names every server with its reason.
func (e *SilentError) Error() string {
	parts := make([]string, 0, len(e.Answers))
	for _, a := range e.Answers {
		parts = append(parts, fmt.Sprintf("%s: %v", a.Addr, a.Err))
	}
	if len(parts) == 0 {
		return ErrSilent.Error()
	}
	return ErrSilent.Error() + " (" + strings.Join(parts, "; ") + ")"
}

// Unwrap gives ErrSilent and what the servers said.
func (e *SilentError) Unwrap() []error {
	errs := []error{ErrSilent}
	for _, a := range e.Answers {
		errs = append(errs, a.Err)
	}
	return errs
}

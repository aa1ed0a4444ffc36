package zookeeper

import "time"

// SetFault is what happens to one setData.
type SetFault string

// The fates of a setData.
const (
	// DropAnswer: it is done, the connection ends before the answer.
	DropAnswer SetFault = "drop-set-answer"
	// MuteAnswer: it is done, the answer never comes, the connection stays.
	MuteAnswer SetFault = "mute-set-answer"
	// LoseSet: the connection ends before it is done.
	LoseSet SetFault = "lose-set"
	// LateSet: the connection ends, and it is done LateBy later, if its version still fits then.
	LateSet SetFault = "late-set"
)

// LateBy is how late a setData with LateSet takes effect.
const LateBy = time.Second

// SetFaults lists the fates.
func SetFaults() []SetFault { return []SetFault{DropAnswer, MuteAnswer, LoseSet, LateSet} }

// faults are guarded by the server's mutex.
type faults struct {
	nextSet SetFault
	refuse  bool
	delay   time.Duration
}

// NextSet decides what happens to the next setData, whosever it is; "" nothing special.
func (s *Server) NextSet(f SetFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.nextSet = f
}

// RefuseWrites makes everything that changes a node fail with NotReadOnly, as on a server that has
// lost its quorum and still lets clients read.
func (s *Server) RefuseWrites(refuse bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.refuse = refuse
}

// Delay lets every request wait before it is handled. Requests of one connection keep their order.
func (s *Server) Delay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.delay = d
}

func (s *Server) delay() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults.delay
}

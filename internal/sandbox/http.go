package sandbox

// serveOther takes over a connection whose first bytes are no request frame. It
// returns when the connection has ended; false when it does not know the protocol
// either.
func (s *server) serveOther(*conn, []byte) bool { return false }

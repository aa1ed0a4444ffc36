// Package wire holds client connections to Pegasus servers: it puts requests into
// frames, many into one write, and gives every reply to the call that waits for it.
//
// A connection belongs to one address. It dials when the first call needs it,
// carries any number of calls at once, and answers each of them exactly once: by
// the server's reply, by the call's deadline, by the caller's context, or, at once,
// by the loss of the connection. After a loss the next call dials again, with a
// back-off of milliseconds for as long as the server has not answered.
//
// What is inside one TCP connection is a link (link.go): callers encode into a
// shared buffer, a writer goroutine swaps that buffer and writes it, a reader
// goroutine takes replies apart, and one sweeper goroutine times calls out. A link
// dies once and for all; nothing is ever sent twice by this package, because only
// the caller knows which requests may be repeated.
//
// Bytes from a server are not trusted. A frame that cannot be one, or a reply to a
// call that was never made, closes the link with an error that says what was wrong.
//
// MetaConn and ReplicaConn are different types: a data request that reaches a meta
// server kills that server (an assertion about its missing thread pool), so a meta
// connection cannot send one.
package wire

// Package traffic is what runs against a sandbox while a table is moved: clients that behave as
// applications behind MetaProxy do, a journal of every write that was acknowledged to them, and the
// comparison of that journal with a table afterwards.
//
// There are two kinds of client. OpenGo is Apache's own Go client, pointed at proxies. OpenJava
// behaves as the Java client of release 2.5 does, written on the codec of internal/idl: it asks its
// metas again when a server says that it is not the primary, at most once per third of the operation
// timeout, repeats until the timeout of the operation ends, and asks nobody when a request stays
// unanswered. Both are measured from outside: who acknowledged, for how long nobody did.
//
// A dual writer (Config.Sides) writes the tables of two clusters, each until it has it, and asks their metas
// itself: what method "dual_write" asks of applications.
//
// What is worked around of the Go client, and what is not:
//   - It needs a table that a proxy leads to when it opens it, and gives up at once; opening is repeated.
//   - A connection that was lost is dialled again only a minute after the last dial. A table whose
//     connection is lost is opened anew with new connections, at most once per second, as an
//     application that restarts would.
//   - It repeats a failed call with the connection that it had before it learnt of a new
//     configuration, until the call's deadline; the next call goes to the new one. Left as it is.
//   - Its own look at connections that answer nothing for half a minute (which asks the metas again)
//     works only on its own connections, and these are wrapped to see who answers. It does not work
//     here: a Go client that meets silence asks nobody, for ever.
//   - An error code that it does not know kills its reader, and its calls run into their deadlines
//     until the process ends. Left as it is.
//   - Its timeouts in request headers are wrong above 4.29 s; the operation timeout must be shorter.
//   - It writes a log to ./pegasus.log unless another logger is set; here it gets one that is silent.
//
// The package must not be imported by what migrates: only by tests and the command `sandbox traffic`.
package traffic

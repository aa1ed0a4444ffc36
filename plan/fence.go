package plan

// FenceMode is the deny env's value of a fence before a switch. Of the two modes that servers have
// (replica::on_client_write, deny_client) it is the one with the shorter window:
//
//   - reconfig answers a rejected write at once with ERR_INVALID_STATE. Java clients take that as a
//     reason to ask for the table's configuration again (at most once in a third of their timeout)
//     and to try until the operation's own deadline: a write that is rejected shortly before the
//     switch arrives on the target within one operation. Go clients ask again as well, but repeat
//     the operation on the server that they began with; the next one goes to the target. Measured
//     (BENCHMARKS.md): both write on the target 0.1 to 0.6 s after the proxies lead there, and know of
//     every rejected write that it was not done.
//   - timeout does not answer. A client hangs for its whole timeout, does not ask for the
//     configuration, and after the switch goes on asking the source until something else makes it
//     ask: Java a connection that was silent for 10 s, Go the eviction, up to one config sync later
//     (1 to 11 s were measured). Whether a write that timed out was done, nobody knows.
//   - A fence is proven by a rejected delete per partition. With reconfig that is one answer, with
//     timeout it is silence, which a lost packet or a stopped process gives as well.
//
// Its price are questions: each rejected attempt makes a client ask its MetaProxy or meta server,
// which therefore get as many requests as there are writers, times three per timeout. The scope is
// write: readers do not notice the fence, and nothing but clients' writes changes rows.
const FenceMode = "reconfig*write"

// EvictMode is the deny env's value after the switch: whoever still asks the source, for a write or a
// read, is told at once to ask for its route again.
const EvictMode = "reconfig*all"

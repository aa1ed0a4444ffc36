// Package metrics counts what happens during a run and offers it to Prometheus.
//
// Sink listens to the same events as the views do, so that a graph and the terminal cannot disagree, and
// the code that does the work knows nothing of metrics. Everything is in a registry of its own: two runs in
// one process do not share a number. Server offers the registry at /metrics, and a sign of life at /healthz.
//
// The names are a promise, as the codes of errors are; testdata/names.txt lists them. Labels come from
// small sets only: steps of the plan, error codes of Pegasus, classes of reasons. Never a key of a row, an
// address or a sentence.
package metrics

// Package history keeps what happened in the runs of one migration, beside its state document, so that a
// report can show rates, lag and limits over time after the processes are gone.
//
// The file <migration>.history.jsonl is a header line and then one line per event, in the form of the JSON
// output: {"at":…,"type":…,"data":…}. It only grows, by whole lines and in batches, until it is larger than
// it should be; then it is written anew, atomically, with its samples thinned: of the longest series every
// second one goes. What is proven or went wrong is never thinned; when a migration has had very many runs
// the oldest leave the file as a whole, and the header counts them.
//
// It is a convenience, and nothing decides by it. A Recorder never makes a run fail: the first error is told
// once and ends the recording. Nor does it wait for a disk where events come from. A crash leaves at most one
// torn line at the end, which readers leave out. Nothing is synced: what the last seconds held is worth less
// than the writes of a copy that a sync would hold up.
package history

// Package difference is the report of a comparison for machines: one JSON object per line, first a header that says
// which tables were compared and how, then one line per difference, and at the end a trailer with the counts.
//
// A report is written beside its path and takes its name when it is complete. One that was cut off, by whatever moved
// it, lacks its trailer or does not agree with it: the reader refuses it, so that nobody takes half of the differences
// for all of them. Rows are named by their raw keys; values are never in it, because reports travel further than tables
// may.
//
// Neither the writer nor the reader holds more than one line in memory.
package difference

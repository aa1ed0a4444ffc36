// Package copier copies the rows of one table into another: it scans the partitions of the
// source, groups rows, and writes them pipelined to the target, keeping the absolute expiry of
// every row.
//
// What it promises:
//   - the cursor of a partition covers only rows that the target has acknowledged, whatever the
//     order in which acknowledgements come, so a run that dies goes on from the last saved
//     cursors and misses nothing. Rows behind the cursor are written again; that is harmless;
//   - what is left of a partition that is read for long is divided among workers that have nothing else to
//     do; its cursor is a list of ranges then, of which the same holds;
//   - memory is bounded, whatever the size of the table, of its rows and the number of partitions;
//   - a cancelled context issues no further write, and Run returns within two seconds;
//   - a busy target is given way: fewer writes in flight until it recovers, with the reason shown.
//
// Options say which rows are copied, what of them, and what becomes of rows that the target has. Rows whose
// expiries differ never share a request, except where expiries are dropped. A cursor goes on with the options
// that it was begun with, and with no others.
//
// Rows that lie in a partition that their hash does not select are not copied, only counted:
// clients cannot read them, and one that is left over from a partition split may be an outdated
// version of a row that clients do read.
package copier

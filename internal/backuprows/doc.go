// Package backuprows reads the rows of a cold backup as if they were scanned from a table, so that they can
// be compared with one.
//
// What a scan hides is hidden: rows that have expired, the server's own rows, and rows that a partition
// split left behind in the old partition. Other rows that lie where their hash does not put them are shown
// where they lie.
package backuprows

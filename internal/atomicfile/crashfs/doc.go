// Package crashfs is a file system in memory that can say what a disk would hold after a kill or a power cut. It is for
// tests of code that promises to survive both.
//
// It is as unkind as POSIX allows: a file that was never synced may come back empty, cut or with holes, and a rename or
// removal whose folder was not synced may or may not have happened. It is held to the same test suite as the real one.
package crashfs

// Package blobstore reads and writes the places where Pegasus keeps backups and takes bulk loads from: what its
// configuration calls block services. There are two of them, a local (or mounted) directory in the exact form of
// `local_service` ([OpenLocal]) and HDFS, the form of `hdfs_service` ([OpenHDFS]), behind one interface, [Store].
//
// Names are paths below the store's root, separated by slashes, as the servers build them; "." is the root.
//
// Three promises hold for every store. A file appears under its name whole or not at all, however the writer ends. No
// call waits without end: each has a deadline, and a transfer has one for every step that brings no byte. Every error is
// an [*Error] with a stable [Code], the path, and what to do.
package blobstore

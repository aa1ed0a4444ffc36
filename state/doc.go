// Package state keeps the memory of one migration: a document beside the configuration that says what was meant, what
// was done and what has to be put back.
//
// The live clusters are the truth and the document is a memory of it (a step asks the clusters whether it is done). What
// the clusters cannot tell again is why the document exists: the intent recorded before a change, the prior value of
// whatever is changed, cursors, proofs, approvals. The package knows no plan types: plans, priors, cursors and proofs
// are a [Blob], that is a kind, a version and raw JSON that state never decodes.
//
// The files, all in the folder .pegmigrate beside the configuration, all of mode 0600, for a migration called "orders":
//
//	orders.state.json           the document
//	orders.state.json.backup    the document before the last change
//	orders@copy.journal         cursors of the step "copy" that change too often for the document
//	orders.lock                 flock(2) of the process at work
//	orders.holder.json          who that is, for people
//
// A document carries a lineage (born once: is it the same migration?) and a serial (raised by every write: is it newer?).
// It is written by temporary file, fsync, rename and fsync of the folder, so that a kill or a power cut leaves the old
// document or the new one. After a write that failed, a [Store] refuses every further change until [Store.Recover]:
// nobody may change a cluster when the change cannot be remembered.
//
// Locks. The kernel drops a flock when its process ends, however it ends, so a crashed run leaves nothing to break on a
// local disk, and the next run takes over without a question. The holder record is for people, and for the two cases
// where flock is no help: a folder on a network file system that does not carry locks between hosts, and one that has no
// locks at all. Therefore a record of another host is always believed, until `pegmigrate state unlock -force` removes it,
// and where there are no locks at all a record of a living process of this host is believed too. On such a file system
// two runs that start within the same millisecond are not kept apart; keep the folder on a local disk.
//
// No secrets are stored.
package state

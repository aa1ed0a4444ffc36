package state

// Frozen is a Store over a document that another process holds the lock of: it can be read, and every change is refused
// with ErrClosed. It holds no lock and need not be closed. It is how a watchdog looks up what to put back while the
// process that it watches is there but does nothing.
func Frozen(doc *Document) *Store {
	return &Store{doc: doc.Clone(), migration: doc.Migration, closed: true}
}

// WatchdogLogPath is what the watchdogs of a migration say, one line each; for people.
func WatchdogLogPath(dir, migration string) string { return file(dir, migration, ".watchdog.log") }

package plan

import "github.com/pegmigrate/pegmigrate/schema"

// A source ships what it read from its log in one piece: all of it when that is less than
// duplicate_log_batch_bytes, otherwise in several requests at once, whose order is that of a hash of
// their last keys and not that of their writes (pegasus_mutation_duplicator.cpp, _inflights; 2.4 to
// master). Of two writes to one key in two of them the older one may stay on the target. It takes logs
// that hold several writes in one block, as those of partitions with many writers do.
const (
	manyWritesPerSecond = 200       // of one partition
	roomyBatch          = 256 << 10 // bytes; the servers' default is 4096
)

// checkOrder warns of it where nothing would find such rows.
func (b *builder) checkOrder(d *DuplicationFacts) {
	if b.f.SourceTable.Partitions == 0 || b.comparesInWindow() || d.BatchBytes >= roomyBatch ||
		d.WriteQPS < manyWritesPerSecond*float64(b.f.SourceTable.Partitions) {
		return
	}
	until := "those written after the comparison"
	if b.m.Verify.Mode == schema.VerifyOff {
		until = "all of them"
	}
	b.checks.warn(CodeDupOrder, b.atMethod(),
		"verify { when = \"in_window\" } compares everything behind the fence; or, until this is over, raise the flag on each replica server of the source: curl 'http://SERVER/updateConfig?duplicate_log_batch_bytes=262144'",
		"%s takes %.0f writes per second on each partition: servers ship such a log in requests that overtake each other, and a key that is written several times within a moment may keep an older value on the target; of %s nothing is read again",
		b.source, d.WriteQPS/float64(b.f.SourceTable.Partitions), until)
}

// Package differ compares two tables row by row, expiry included, whatever their partition counts.
//
// With N source and M target partitions and g = gcd(N, M), the rows of the source partitions that
// are r modulo g are those of the target partitions that are r modulo g. So the comparison falls
// apart into g units, each a merge of sorted scans in constant memory. Where g is small, sums of hashes
// per bucket of rows are made of every partition by itself instead, and only buckets with unequal sums
// are merged; the result is the same.
//
// What is compared is what clients can read. A row in a partition that its hash does not select
// answers NotFound to them: it is reported as misplaced, and otherwise counts as absent. So a row
// that is only misplaced on the target is reported twice, as misplaced and as missing.
//
// Rows expire while tables are compared. A row that is on one side only, and whose expiry is
// not later than now plus a tolerance for the clocks of the servers, is taken to have expired on
// the other side between the two readings; it is counted apart and is no difference. Neither is an
// expiry that default_ttl or the clocks of two clusters explain.
//
// Tables that are written to are compared by RunLive: what is unequal is read again until it is
// equal, or has been unequal for longer than a write may take. RunSample looks at some rows, RunCount
// at their number only. Reconcile repairs what differs and compares it again.
package differ

// Package splitter turns the cold backup of a table into the input of a bulk load into another table, with any other
// partition count.
//
// A row lies in partition hash mod count. With N partitions here, M there and g = gcd(N, M), the rows of the source
// partitions r, r+g, r+2g, … are exactly the rows of the target partitions r, r+g, r+2g, …. So the work falls apart into
// g units: each merges some sorted inputs and deals the rows out to some sorted outputs. Nothing is shuffled or sorted,
// and memory does not grow with the table.
//
// What was read is accounted for row by row: every row of the source is written, or counted under the reason why it is
// not. The hash of every key is computed, and has to select the source partition that the row lies in; see [Counts] for
// rows of which that is not true. The order of the rows in a partition is checked while they are written, the number of
// entries that the writer of the file counted is compared with the rows that were given to it, and the sizes and sums of
// all files are compared with those that the store has, when a partition ends and once more when the whole ends. Files
// are not read again: their sums come from the bytes that were handed to the store, and servers compare them with what
// they downloaded.
//
// A run that was killed leaves no bulk_load_info, so that nobody can load what it wrote. The next run of the same [Job]
// keeps the target partitions that were finished, and writes the others anew. What it needs to know for that lies beside
// the partitions, in the folder [RecordDir], which servers do not look at.
package splitter

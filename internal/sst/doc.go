// Package sst reads checkpoints of RocksDB and writes tables that RocksDB ingests, without RocksDB.
//
// [OpenCheckpoint] takes a folder with CURRENT, MANIFEST and table files, as a cold backup of Pegasus has it, and gives the
// rows that the server would see. [NewWriter] writes one table file (SST) as RocksDB's SstFileWriter does, for a bulk load.
//
// What is read: block-based tables with footers of format_version 0 to 5, blocks without compression or with Snappy, LZ4 or
// ZSTD, and the checksums CRC32c, XXH32, XXH64 and XXH3. What is written: format_version 2 with CRC32c, which every server
// since 2.0 (RocksDB 6.6.4) reads; version 3 and later, or XXH3, would not be read by all of them.
//
// Form of a table file (table/format.cc, table/block_based/block_based_table_builder.cc of RocksDB 6.6.4 and 8.5.3): data
// blocks, filter block, index block, properties block, metaindex block, footer. Behind each block stand a byte that tells its
// compression and four bytes of checksum over both.
//
// Every error is an [*Error] with a stable code and the name of the file; nothing that is not understood is passed over.
package sst

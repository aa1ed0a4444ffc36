// Package hdfstest runs a real HDFS for tests: two name nodes, one of them on standby, and data nodes, each a process of its
// own on loopback that a test can stop, kill and start again.
//
// The jars come from scripts/hdfs.sh; without it the tests that need an HDFS are skipped.
package hdfstest

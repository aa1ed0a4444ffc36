// Package benchtest runs clusters in a process of their own for benchmarks, so that the CPU time
// and memory of the benchmark's process are the client's alone, and measures those.
package benchtest

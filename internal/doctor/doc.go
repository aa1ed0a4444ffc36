// Package doctor finds what migrations leave behind on a cluster: fences, duplications, follower
// envs, results of bulk loads, tables without compaction, a held balancer, changed transfer rates,
// rows that probes wrote. It needs no state file and changes nothing.
package doctor

// Package sandbox runs Pegasus clusters inside this process: meta and replica
// servers on real TCP ports that frame, answer and refuse as 2.5.0 does.
//
// It is draft.
package sandbox

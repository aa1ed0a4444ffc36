// Package actuate implements the interfaces that apply declares on real clusters: tables and
// fences through internal/pegasus, moving and comparing rows through internal/copier and
// internal/differ.
//
// It adds no decisions: what to do and in which order is apply's, what is true is the clusters'.
package actuate

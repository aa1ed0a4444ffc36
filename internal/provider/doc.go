// Package provider opens the block stores that a plan names: the same places that servers reach by their
// [block_service.<name>] sections.
package provider

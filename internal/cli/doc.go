// Package cli wires the commands: flags into plain option structs, packages that compute to
// packages that speak. It holds the only table of exit codes and decides nothing about migrations.
package cli

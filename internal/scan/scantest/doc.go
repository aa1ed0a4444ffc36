// Package scantest is a table in memory for tests of what reads through package scan.
package scantest

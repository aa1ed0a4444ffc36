// Package scan reads one partition of a table as pages of bounded size, and fingerprints rows
// in buckets of expiry. It is the reading half that the copier and the differ share.
//
// Servers bound a page by rows only (at most 1000), so a page of large values can be a gigabyte.
// A Reader therefore learns the size of rows while it reads and asks for as many as fit.
package scan

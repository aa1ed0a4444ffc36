// Package bench measures what copying and comparing cost the client, and tests what both promise
// towards clusters that can do little. All of it is in its tests: `make bench`, `make bench-large`,
// `make acceptance-throttle`. Clusters run in a process of their own where the client's processor
// time or memory is measured.
package bench

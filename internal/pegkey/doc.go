// Package pegkey holds the pure byte rules of Pegasus data: how a raw key is
// built, which partition it belongs to, how a stored value carries its expiry,
// and an order-free digest of rows.
//
// It knows no network and no clock, allocates only what it returns, and never
// panics: malformed bytes are errors. Both the cluster client and the sandbox
// build on it, so it is held to vectors that come from outside this project.
package pegkey

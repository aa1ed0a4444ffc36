// Package event holds what happens during a run as plain structs, and the one-method Sink
// that receives them.
//
// Whoever does work emits events and knows nothing about terminals; views, metrics and tests
// listen. Every event marshals to JSON as it is; Name gives the value of its "type" field.
// An event carries what a reader may want to show and never a secret: no row values beyond
// the sizes, no credentials.
package event

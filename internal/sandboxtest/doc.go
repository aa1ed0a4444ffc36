// Package sandboxtest gives test scripts two clusters and the verbs to look at and disturb them.
//
// The verbs act on the sandbox directly, not through the client under test, so that a script's
// "same-rows" is an opinion of its own.
package sandboxtest

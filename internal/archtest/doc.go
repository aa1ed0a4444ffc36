// Package archtest holds the rules of this repository as tests: who may import whom, who may
// print, what a package must say about itself, how long a file may be, and what must not be
// committed. It has no code outside its tests.
//
// A rule that is broken for a good reason gets an allowance beside the rule, with that reason. An
// allowance that nothing needs any more fails too.
package archtest

// Package plan turns a declared migration and the observed facts into an ordered list of inert
// steps.
//
// A plan is data. Build is pure: the same migration and the same facts give the same plan, byte
// for byte, and nothing in a plan can touch a cluster. What a step will do is wholly described by
// its Action, a plain struct; package apply holds the code that runs actions, and whatever shows a
// plan (text, Markdown, JSON, a diff in a review) reads the same fields that apply will act on.
//
// Facts are what was seen on the live clusters. The ones that the steps rest on are kept in the
// plan under stable names, with their values, so that a saved plan can be refused when one of
// them has moved, and the refusal can name it.
//
// A Check is a preflight finding with a stable code. A plan with a check of severity Error can be
// shown but not applied.
package plan

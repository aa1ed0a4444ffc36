// Package observe looks at two clusters and gives plan.Facts. It changes nothing: the interface
// through which it sees a cluster has no call that changes anything. One is an order in form,
// ProbeDuplication, for a table that cannot exist.
//
// Some facts are proven (a table has rows when one was read), some are the servers' estimates (row
// counts, sizes); the comments of plan.Facts say which. A fact that could not be read is left zero
// with a note where the plan can show one, and an error where planning without it would be a guess.
package observe

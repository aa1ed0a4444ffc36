// Package marker is the codec of the ownership marker: the text that a migration under way keeps
// in the business.info env of its tables, so that a second operator, or the same one without a
// state file, can see who is at work and what to put back.
//
// The marker lives in the cluster because the state file may be lost. It carries the text that
// business.info held before, and the prior value of every env that the migration changes.
package marker

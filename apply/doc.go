// Package apply carries out a plan.
//
// For every step it records the intent durably, asks the live clusters whether the step is done
// already, runs it, asks again, and records the result durably. The clusters are the truth and the
// state document is a memory: a step that was recorded as done and can come undone by itself (a
// fence, above all) is asked for again when a run resumes.
//
// apply sees the world only through the interfaces in world.go, which package actuate implements;
// it knows nothing of wire protocols, terminals or commands.
//
// Rules that hold for every runner:
//   - nothing is changed before the intent, and the prior value of what will be changed, are durable;
//   - a cancelled context makes no further change;
//   - every wait has a deadline, a reason that is emitted, and an answer to cancellation;
//   - "done" needs a positive answer from the clusters, never the absence of an error.
package apply

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
//   - nothing is changed after a state write failed;
//   - a cancelled context makes no further change; lifting a fence and undoing a step have begun
//     before that and come to their end, under deadlines of their own;
//   - every wait has a deadline, a reason that is emitted, and an answer to cancellation;
//   - "done" needs a positive answer from the clusters, never the absence of an error;
//   - a request that failed is sent again for a while when that can do no harm; one whose answer is
//     unknown and that must not be repeated (create, drop) is followed by a look instead.
//
// What rests on a fence is only believed as long as the fence is known to have held. A watch proves
// it again and again; a resumed run proves it before going on. Whatever may have let a write in (a
// ballot that moved, a fence that was down) is kept in the fence's proof, and the comparison at the
// end repairs what it explains. Differences that nothing explains are not repaired in silence: they
// end the run, and the next one copies everything anew. Once the rows are proven the fence is of no
// more use and is never raised again.
//
// A declared write-reject budget bounds the window from the first rejected write on: when it ends,
// or has ended while no run was alive, the fence is lifted before anything else, and what was
// copied behind it is forgotten in one write.
package apply

// Package view is the only package that prints. Commands compute; what comes out of them is shown
// here: as text for people, as JSON for programs, as Markdown for reviews.
//
// The voice of the tool:
//
//   - Data goes to stdout, talk to stderr. The caller passes the writer; nothing here knows which
//     one it got.
//   - Messages are lower case and have no final stop. An error is one line that says what is
//     wrong, with a stable code; what to do about it is a hint on a line of its own.
//   - Colour repeats what the words say and never carries meaning alone. It is used on terminals
//     only, and not when NO_COLOR is set.
//   - Text that comes from clusters, files and rows is shown with control characters escaped: a
//     table env must not be able to move the cursor of an operator's terminal.
//   - Rates and sizes are rounded for people ("812 M rows", "1.2 TiB"); what was proven is given
//     to the last row ("200000 rows on the source, 200000 on the target, 0 differences").
//   - JSON is one object per line, {"version":1,"type":...,"time":...,"data":...}, but for plans
//     and state documents, which have the form in which they are stored.
//
// Functions that print data return the error of the writer, because a report that was cut short
// must not look whole. Functions that talk have nobody to tell.
package view

// Package canary reads a few rows of a table through a MetaProxy with Apache's own go-client, as an
// application would, in a process of its own.
//
// A client that shares no code with this tool is a witness that the route works. It is kept in a
// child process because it may end its process (its constructor calls Fatal), may panic on bytes it
// does not know in a goroutine that nobody can recover, and may hang for longer than its contexts
// say: the parent kills it at a deadline. Question and answer are one JSON document each, on the
// child's standard input and output; everything that is not an answer is the client's failure.
package canary

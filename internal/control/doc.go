// Package control lets an operator change the pace of a run that is under way: a unix socket beside
// the state file, which the run serves and `pegmigrate control` talks to.
//
// A request is one line of JSON and so is its answer; both carry a version. Only the user whose run it
// is can talk to it: the socket has mode 0600 and lies in a folder of mode 0700, and the server asks the
// kernel who is at the other end. A socket that a killed run left behind is replaced; one that somebody
// serves is not.
package control

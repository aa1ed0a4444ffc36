package sst

import (
	"errors"
	"fmt"
)

// Code says what is wrong with a file. The texts are stable: programs may compare them.
type Code string

// The codes.
const (
	CodeDamaged     Code = "sst_damaged"     // a checksum, a length or an order that cannot be
	CodeUnsupported Code = "sst_unsupported" // well formed, but of a kind that is not understood here
	CodeMissing     Code = "sst_missing"     // a file that another one names is not there
	CodeUnflushed   Code = "sst_unflushed"   // rows may stand in a write-ahead log that is not read
	CodeInvalid     Code = "sst_invalid"     // a request that cannot be: rows out of order, a key that is too long
	CodeIO          Code = "sst_io"          // the file could not be read or written
)

// Error says which file is wrong and in what.
type Error struct {
	Code Code
	// File is the name within the folder; empty where a stream is written.
	File string
	// What is wrong, in words.
	What string
	// Err is the cause, if another package gave one.
	Err error
}

// Error names file, what is wrong and the cause.
func (e *Error) Error() string {
	s := e.What
	if e.File != "" {
		s = e.File + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf gives the code of an error of this package, however wrapped, or "".
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// damaged is an error without file name; inFile puts it in.
func damaged(format string, args ...any) *Error {
	return &Error{Code: CodeDamaged, What: fmt.Sprintf(format, args...)}
}

// unsupported is an error without file name; inFile puts it in.
func unsupported(format string, args ...any) *Error {
	return &Error{Code: CodeUnsupported, What: fmt.Sprintf(format, args...)}
}

// inFile puts the name of the file into an error of this package that has none; another error becomes one with CodeIO.
func inFile(err error, file string) error {
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		return &Error{Code: CodeIO, File: file, What: "cannot be read", Err: err}
	}
	if e.File != "" {
		return err
	}
	named := *e
	named.File = file
	return &named
}

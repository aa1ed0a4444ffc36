package idl

import (
	"errors"
	"fmt"
)

// ErrMalformed is wrapped by every error about bytes that are not what they
// should be: a frame, a header or a message.
var ErrMalformed = errors.New("malformed Pegasus message")

// DecodeError says where and why the bytes of a message could not be read.
type DecodeError struct {
	// Message is the Go name of the struct, e.g. "PartitionConfig".
	Message string
	// Field is the thrift id of the field, 0 before the first one.
	Field int16
	// Offset is the position in the decoded bytes.
	Offset int
	// Reason is the plain-text cause.
	Reason string
}

// Error names message, field, position and cause.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("%v: %s field %d at byte %d: %s", ErrMalformed, e.Message, e.Field, e.Offset, e.Reason)
}

// Unwrap makes errors.Is(err, ErrMalformed) true.
func (e *DecodeError) Unwrap() error { return ErrMalformed }

// Package idl holds the requests and responses of every Pegasus RPC that this
// project speaks or simulates, and their bytes: structs, frame headers of both
// directions, and the table of RPCs. It opens no connection and reads no clock.
//
// The codecs are written by hand because Pegasus declares blob, error_code, gpid,
// rpc_address and host_port as empty thrift structs and puts bare primitives on
// the wire in their place (idl/dsn.thrift): no generated code reads that, and no
// generic skip survives it. An unknown field of type struct is therefore an error
// that names the message and the field, never a guess.
//
// Conventions. Names are the CamelCase of the IDL's snake_case. An optional field
// is a pointer, or a slice or map for which nil means unset; the codec keeps
// presence, so that a decoded frame encodes back to the same bytes. All others are
// always written, a nil list or map as an empty one. Byte slices of a decoded
// message alias the frame it came from; strings are copies. Messages and decoders
// are not safe for concurrent use; the RPC table is.
package idl

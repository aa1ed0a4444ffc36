// Package rowfilter says which rows of a table are meant: by hash key, sort key and value, each anywhere, as a prefix,
// as a postfix or exactly. These are the filters of the shell's copy_data, and they compare bytes, never characters.
package rowfilter

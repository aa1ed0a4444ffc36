// Package geo makes the keys under which the geo client of Pegasus (src/geo/lib) keeps the rows of its index
// table: values are texts of pieces between '|', two of which are a latitude and a longitude in degrees, and the
// S2 cell of that position begins the key.
//
// The index holds for every row of the data table one row with the same value and expiry. Its hash key names the
// cell of the position at MinLevel, "3/012301230123", and its sort key is the rest of the name of the leaf cell, a
// colon, and the raw key of the data row.
//
// Everything here is a pure function and safe for concurrent use.
package geo

package canary

import "time"

// Question is what the parent asks.
type Question struct {
	// Proxy is the MetaProxy, host:port, the only meta server that the client is told of.
	Proxy string `json:"proxy"`
	Table string `json:"table"`
	Rows  []Key  `json:"rows"`
	// Limit is how long the child may take; it ends by itself then, should the parent be gone.
	Limit time.Duration `json:"limit_ns"`
}

// Key names one row. The client takes no empty hash key.
type Key struct {
	HashKey []byte `json:"hash_key"`
	SortKey []byte `json:"sort_key"`
}

// Answer is what the child says.
type Answer struct {
	// Rows are in the order of the question; none with an Error.
	Rows []Row `json:"rows,omitempty"`
	// Error is why the table could not be opened.
	Error string `json:"error,omitempty"`
}

// Row is what the client read.
type Row struct {
	Found bool   `json:"found"`
	Value []byte `json:"value,omitempty"`
	Error string `json:"error,omitempty"`
}

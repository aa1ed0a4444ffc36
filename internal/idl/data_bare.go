package idl

// BlobRequest is the argument of the requests that take a bare blob: get, ttl and
// remove (the raw key) and sortkey_count (the hash key).
type BlobRequest struct {
	Key []byte
}

// AppendTo implements Message. No stop byte follows a bare blob.
func (m *BlobRequest) AppendTo(b []byte) []byte { return rawBlob(b, m.Key) }

// Decode implements Message.
func (m *BlobRequest) Decode(d *Decoder) { m.Key = d.rawBlob() }

// ClearScannerRequest drops a scan context. It is one-way: no reply ever comes.
type ClearScannerRequest struct {
	ContextID int64
}

// AppendTo implements Message. The argument is a bare i64.
func (m *ClearScannerRequest) AppendTo(b []byte) []byte { return rawI64(b, m.ContextID) }

// Decode implements Message.
func (m *ClearScannerRequest) Decode(d *Decoder) { m.ContextID = d.rawI64() }

func (m *ClearScannerRequest) thriftType() byte { return tI64 }

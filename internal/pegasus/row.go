package pegasus

import (
	"context"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// oneRow is the batch of a scan of one key: one more than it can find, so that no server has a
// reason to keep a context.
const oneRow = 2

// Row reads a row with its absolute expiry, both of one moment, which get and ttl together cannot
// promise: it is a scan of exactly one key. found is false for a row that is missing or has expired.
// As Get; key and value belong to the caller.
func (t *Table) Row(ctx context.Context, raw []byte) (row Row, found bool, err error) {
	var resp idl.ScanResponse
	yes := true
	req := idl.GetScannerRequest{StartKey: raw, StartInclusive: true, StopKey: raw, StopInclusive: true,
		BatchSize: oneRow, ReturnExpireTs: &yes}
	err = t.do(ctx, single{op: "get", rpc: idl.NameGetScanner, raw: raw, req: &req, resp: &resp,
		status: func() idl.Status { return resp.Error }})
	if err != nil {
		return Row{}, false, err
	}
	for i := range resp.Kvs {
		if kv := &resp.Kvs[i]; string(kv.Key) == string(raw) {
			return Row{Key: kv.Key, Value: kv.Value, Expire: uint32(kv.ExpireTs)}, true, nil
		}
	}
	return Row{}, false, nil
}

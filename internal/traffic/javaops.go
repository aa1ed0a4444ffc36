package traffic

import (
	"context"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// raw is the key as servers store it.
func (k Key) raw() []byte { return pegkey.Encode(nil, []byte(k.Hash), []byte(k.Sort)) }

func (k Key) hash() uint64 { return pegkey.Hash([]byte(k.Hash), []byte(k.Sort)) }

// Put implements Client.
func (j *Java) Put(ctx context.Context, k Key, value []byte, ttl time.Duration) Result {
	req := &idl.UpdateRequest{Key: k.raw(), Value: value}
	if ttl > 0 {
		req.ExpireTsSeconds = int32(pegkey.ExpireTs(time.Now().Add(ttl)))
	}
	resp := &idl.UpdateResponse{}
	r := j.operate(ctx, idl.NamePut, k.hash(), req, resp)
	r.Expire = uint32(req.ExpireTsSeconds)
	return stored(r, idl.NamePut, resp.Error)
}

// Delete implements Client.
func (j *Java) Delete(ctx context.Context, k Key) Result {
	resp := &idl.UpdateResponse{}
	return stored(j.operate(ctx, idl.NameRemove, k.hash(), &idl.BlobRequest{Key: k.raw()}, resp), idl.NameRemove, resp.Error)
}

// Get implements Client.
func (j *Java) Get(ctx context.Context, k Key) ([]byte, Result) {
	resp := &idl.GetResponse{}
	r := j.operate(ctx, idl.NameGet, k.hash(), &idl.BlobRequest{Key: k.raw()}, resp)
	if r.Err == nil && resp.Error == idl.StatusNotFound {
		return nil, r
	}
	r = stored(r, idl.NameGet, resp.Error)
	if r.Err != nil {
		return nil, r
	}
	return append([]byte{}, resp.Value...), r
}

// Incr implements Client.
func (j *Java) Incr(ctx context.Context, k Key, by int64) Result {
	resp := &idl.IncrResponse{}
	return stored(j.operate(ctx, idl.NameIncr, k.hash(), &idl.IncrRequest{Key: k.raw(), Increment: by}, resp), idl.NameIncr, resp.Error)
}

// stored looks at the status that the storage engine gave. A row that it refused was not changed.
func stored(r Result, name string, status idl.Status) Result {
	if r.Err == nil && status != idl.StatusOK {
		r.Err, r.Server = &OperationError{Op: name, Code: idl.ErrOK, Attempts: r.Attempts, Cause: fmt.Errorf("status %v", status)}, ""
	}
	return r
}

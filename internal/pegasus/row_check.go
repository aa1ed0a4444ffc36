package pegasus

import (
	"context"
	"errors"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// ErrNoHashKey is wrapped when a row without a hash key is to be changed under a condition: servers check
// conditions per hash key only.
var ErrNoHashKey = errors.New("the row has no hash key")

// RemoveIf deletes a row if its value is the given one, which the server decides in one step
// (src/server/pegasus_write_service_impl.h, check_and_mutate). removed is false when the row is not
// there or has another value, and also when an attempt whose answer was lost has deleted it: read it
// again. As Get; ErrNoHashKey. Tables that are duplicated refuse it.
func (t *Table) RemoveIf(ctx context.Context, raw, value []byte) (removed bool, err error) {
	hashKey, sortKey, err := conditional(raw)
	if err != nil {
		return false, err
	}
	var resp idl.CheckAndMutateResponse
	req := idl.CheckAndMutateRequest{HashKey: hashKey, CheckSortKey: sortKey, CheckType: idl.CheckValueBytesEqual, CheckOperand: value,
		MutateList: []idl.Mutate{{Operation: idl.MutateDelete, SortKey: sortKey}}}
	err = t.do(ctx, single{op: "check_and_mutate", rpc: idl.NameCheckAndMutate, raw: raw, req: &req, resp: &resp, write: true,
		status: func() idl.Status { return checked(resp.Error) }})
	return err == nil && resp.Error == idl.StatusOK, err
}

// PutIfAbsent writes a row unless there is one with its key. written is false when there is one, and
// also when an attempt whose answer was lost has written it. As Get; ErrNoHashKey.
func (t *Table) PutIfAbsent(ctx context.Context, row Row) (written bool, err error) {
	hashKey, sortKey, err := conditional(row.Key)
	if err != nil {
		return false, err
	}
	var resp idl.CheckAndSetResponse
	req := idl.CheckAndSetRequest{HashKey: hashKey, CheckSortKey: sortKey, CheckType: idl.CheckValueNotExist,
		SetSortKey: sortKey, SetValue: row.Value, SetExpireTsSeconds: int32(row.Expire)}
	err = t.do(ctx, single{op: "check_and_set", rpc: idl.NameCheckAndSet, raw: row.Key, req: &req, resp: &resp, write: true,
		status: func() idl.Status { return checked(resp.Error) }})
	return err == nil && resp.Error == idl.StatusOK, err
}

func conditional(raw []byte) (hashKey, sortKey []byte, err error) {
	hashKey, sortKey, err = pegkey.Decode(raw)
	if err == nil && len(hashKey) == 0 {
		err = ErrNoHashKey
	}
	return hashKey, sortKey, err
}

// checked makes an answer of the one status that says that the condition does not hold.
func checked(s idl.Status) idl.Status {
	if s == idl.StatusTryAgain {
		return idl.StatusOK
	}
	return s
}

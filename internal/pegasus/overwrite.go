package pegasus

import (
	"bytes"
	"errors"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// Overwrite says what becomes of a row that the table has already.
type Overwrite uint8

// The values of Overwrite.
const (
	// OverwriteAlways replaces it.
	OverwriteAlways Overwrite = iota
	// OverwriteNever keeps it, which the server decides in one step (check_and_set with
	// CT_VALUE_NOT_EXIST). Tables that are duplicated refuse such writes. A row without a hash key is
	// written as OverwriteNeverUnatomic does: no client of Pegasus sends a check for one.
	OverwriteNever
	// OverwriteNeverUnatomic asks for the row, and writes when there is none: a row that somebody writes
	// between the two is replaced.
	OverwriteNeverUnatomic
)

// ErrKept is how a write ends that was not to overwrite and found a row. It is told as it is, not wrapped.
var ErrKept = errors.New("the table has the row already")

// errMultiOverwrites is why rows that must not be overwritten cannot share a request.
var errMultiOverwrites = errors.New("a multi_put overwrites")

// conditionalWrite is what an op needs to write a row only where there is none.
type conditionalWrite struct {
	set      idl.CheckAndSetRequest
	setReply idl.CheckAndSetResponse
	key      idl.BlobRequest
	ttlReply idl.TTLResponse
	// unsure says that an attempt without an answer may have written the row.
	unsure bool
}

// condition turns a put that is ready to be sent into the first request of one that keeps what is there.
func (o *op) condition(row Row) {
	if o.opts.Overwrite == OverwriteAlways {
		return
	}
	if o.cond == nil {
		o.cond = new(conditionalWrite)
	}
	c := o.cond
	c.unsure = false
	hashKey, sortKey, err := pegkey.Decode(row.Key)
	if err != nil || len(hashKey) == 0 || o.opts.Overwrite == OverwriteNeverUnatomic {
		c.key.Key = row.Key
		o.call.RPC, o.call.Req, o.call.Resp = o.t.rpcs.ttl, &c.key, &c.ttlReply
		return
	}
	c.set = idl.CheckAndSetRequest{HashKey: hashKey, CheckSortKey: sortKey, CheckType: idl.CheckValueNotExist,
		SetSortKey: sortKey, SetValue: row.Value, SetExpireTsSeconds: int32(row.Expire)}
	o.call.RPC, o.call.Req, o.call.Resp = o.t.rpcs.checkAndSet, &c.set, &c.setReply
}

// status is what the storage engine answered. ErrKept and errAbsent are answers of a condition.
func (o *op) status() error {
	var s idl.Status
	switch o.call.RPC {
	case o.t.rpcs.ttl:
		if s = o.cond.ttlReply.Error; s == idl.StatusOK {
			return ErrKept
		}
		if s == idl.StatusNotFound {
			return errAbsent
		}
	case o.t.rpcs.checkAndSet:
		if s = o.cond.setReply.Error; s == idl.StatusTryAgain {
			return o.cond.found()
		}
	default:
		s = o.resp.Error
	}
	if s == idl.StatusOK {
		return nil
	}
	return &StatusError{RPC: o.call.RPC.Name, Addr: o.addr, Status: s}
}

// errAbsent says that there is no row, so that it may be written.
var errAbsent = errors.New("no such row")

// found is the outcome of a check that met a row: it may be the one that an earlier attempt wrote.
func (c *conditionalWrite) found() error {
	if c.unsure && c.setReply.CheckValueExist && bytes.Equal(c.setReply.CheckValue, c.set.SetValue) {
		return nil
	}
	return ErrKept
}

// proceed goes on from "there is no row" to the put.
func (o *op) proceed() {
	o.call.RPC, o.call.Req, o.call.Resp = o.t.rpcs.put, &o.put, &o.resp
	o.send()
}

// doubt notes that a failed attempt may have written the row: the next one asks for the value that it
// meets, because the row that is there may be ours.
func (o *op) doubt(err error) {
	if o.call.RPC == o.t.rpcs.checkAndSet && wire.MaybeSent(err) {
		o.cond.unsure, o.cond.set.ReturnCheckValue = true, true
	}
}

// refusesConditions tells whether the server takes no check_and_set of this table. It says the same while a
// bulk load is being taken in, which no copy has to wait for.
func (o *op) refusesConditions(err error) bool {
	return o.call.RPC == o.t.rpcs.checkAndSet && errors.Is(err, idl.ErrOperationDisabled)
}

// refusedCondition explains it.
const refusedCondition = "the table takes no check_and_set: it is duplicated, or takes in a bulk load"

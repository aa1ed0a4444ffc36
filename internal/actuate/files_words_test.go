package actuate

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
)

func TestLoadPartition(t *testing.T) {
	replica := func(percent int, ingest idl.IngestionStatus, code idl.ErrorCode) pegasus.BulkLoadReplica {
		return pegasus.BulkLoadReplica{Node: "n", Percent: percent, Ingestion: ingest, Download: code}
	}
	for name, c := range map[string]struct {
		p        pegasus.BulkLoadPartition
		download int32
		ingested bool
	}{
		"nobody has reported": {pegasus.BulkLoadPartition{Status: idl.BulkLoadDownloading}, 0, false},
		"the slowest counts": {pegasus.BulkLoadPartition{Status: idl.BulkLoadDownloading, Replicas: []pegasus.BulkLoadReplica{
			replica(90, 0, idl.ErrOK), replica(30, 0, idl.ErrOK)}}, 30, false},
		"one is ingesting": {pegasus.BulkLoadPartition{Status: idl.BulkLoadIngesting, Replicas: []pegasus.BulkLoadReplica{
			replica(100, idl.IngestionSucceed, idl.ErrOK), replica(100, idl.IngestionRunning, idl.ErrOK)}}, 100, false},
		"all have ingested": {pegasus.BulkLoadPartition{Status: idl.BulkLoadIngesting, Replicas: []pegasus.BulkLoadReplica{
			replica(100, idl.IngestionSucceed, idl.ErrOK), replica(100, idl.IngestionSucceed, idl.ErrOK)}}, 100, true},
		"cleaned up": {pegasus.BulkLoadPartition{Status: idl.BulkLoadSucceed, Replicas: []pegasus.BulkLoadReplica{
			replica(0, 0, idl.ErrOK)}}, 100, true},
	} {
		if got := loadPartition(3, &c.p); got.Download != c.download || got.Ingested != c.ingested || got.Partition != 3 || len(got.Replicas) != len(c.p.Replicas) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	got := loadPartition(0, &pegasus.BulkLoadPartition{Replicas: []pegasus.BulkLoadReplica{replica(5, idl.IngestionFailed, idl.ErrCorruption)}})
	if want := (apply.LoadReplica{Addr: "n", Download: 5, Error: "ERR_CORRUPTION", Ingest: "IS_FAILED"}); !reflect.DeepEqual(got.Replicas[0], want) {
		t.Errorf("%+v", got.Replicas[0])
	}
}

func TestMovedBytesAddUpPeriods(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	m := &movedBytes{last: map[string]nodeMoved{}}
	for i, c := range []struct {
		looks []nodeMoved
		want  int64
	}{
		{[]nodeMoved{{node: "a", bytes: 10, at: at(1), told: true}, {node: "b", bytes: 1, at: at(1), told: true}}, 11},
		{[]nodeMoved{{node: "a", bytes: 10, at: at(1), told: true}, {node: "b", bytes: 2, at: at(2), told: true}}, 13},
		{[]nodeMoved{{node: "a", at: at(3)}}, -1},
		{[]nodeMoved{{node: "a", bytes: 7, at: at(4), told: true}, {node: "c", bytes: 100, at: at(4), total: true, told: true}}, 120},
		{[]nodeMoved{{node: "c", bytes: 150, at: at(5), total: true, told: true}}, 170},
		// Two looks in one second of the server's clock: another value is another look.
		{[]nodeMoved{{node: "a", bytes: 0, at: at(6), told: true}}, 20},
		{[]nodeMoved{{node: "a", bytes: 5, at: at(6), told: true}}, 25},
		{[]nodeMoved{{node: "a", bytes: 5, at: at(6), told: true}}, 25},
	} {
		if got := m.add(c.looks); got != c.want {
			t.Errorf("look %d: %d, want %d", i, got, c.want)
		}
	}
}

func TestCompactsComparesLooks(t *testing.T) {
	x := NewCompactions(nil)
	key := writtenKey{ref(), "n", 1}
	look := func(since bool, written int64) pegasus.CompactionWork {
		return pegasus.CompactionWork{Since: since, Partitions: map[int32]pegasus.PartitionCompaction{1: {Written: written}}}
	}
	for i, c := range []struct {
		work pegasus.CompactionWork
		want answer
	}{
		{look(true, 100), unclear}, {look(true, 100), no}, {look(true, 200), yes}, {look(true, 200), no}, {look(true, 0), yes},
		{look(false, 5), yes}, {look(false, 0), no}, {pegasus.CompactionWork{}, unclear},
	} {
		if got := x.compacts(key, c.work); got != c.want {
			t.Errorf("look %d: %v, want %v", i, got, c.want)
		}
	}
}

func TestRefusedFiles(t *testing.T) {
	for code, want := range map[idl.ErrorCode]bool{idl.ErrInvalidParameters: true, idl.ErrBusy: true, idl.ErrInconsistentState: true,
		idl.ErrFSInternal: false, idl.ErrUnknown: false} {
		if err := refusedFiles(&pegasus.MetaError{Code: code}); errors.Is(err, apply.ErrRefused) != want || !errors.Is(err, code) {
			t.Errorf("%s: %v", code, err)
		}
	}
	if err := refusedFiles(pegasus.ErrOutcomeUnknown); errors.Is(err, apply.ErrRefused) {
		t.Error(err)
	}
}

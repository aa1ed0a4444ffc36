package pegkey_test

import (
	"bufio"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// TestRecordedPartitionHashes holds Hash, HashRaw and Partition to the requests of
// Apache's Go client against a table of four partitions; see testdata/wire.
func TestRecordedPartitionHashes(t *testing.T) {
	const partitions = 4
	file, err := os.Open("../../testdata/wire/data.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(plain)
	lines.Buffer(nil, 8<<20)
	checked := 0
	for lines.Scan() {
		var r struct{ Dir, RPC, Frame string }
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.Dir != "request" {
			continue
		}
		frame, err := hex.DecodeString(r.Frame)
		if err != nil {
			t.Fatal(err)
		}
		hash, ok := hashOf(frame)
		if !ok {
			continue
		}
		checked++
		req, err := idl.DecodeRequest(frame)
		if err != nil {
			t.Fatal(err)
		}
		if hash != req.PartitionHash {
			t.Errorf("%s: hash %#x, recorded %#x", r.RPC, hash, req.PartitionHash)
		}
		if got := pegkey.Partition(hash, partitions); got != req.Gpid.Partition {
			t.Errorf("%s: partition %d, recorded %d", r.RPC, got, req.Gpid.Partition)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if checked < 200 {
		t.Errorf("only %d requests were checked", checked)
	}
}

// hashOf is the partition hash of the row in a request, if it names one.
func hashOf(frame []byte) (uint64, bool) {
	req, err := idl.DecodeRequest(frame)
	if err != nil || req.RPC == nil || req.RPC.Kind != idl.KindReplica {
		return 0, false
	}
	msg := req.RPC.NewRequest()
	var d idl.Decoder
	if err := req.DecodeArgs(&d, msg); err != nil {
		return 0, false
	}
	switch m := msg.(type) {
	case *idl.UpdateRequest:
		return pegkey.HashRaw(m.Key), true
	case *idl.IncrRequest:
		return pegkey.HashRaw(m.Key), true
	case *idl.BlobRequest:
		if req.Name == idl.NameSortkeyCount {
			return pegkey.Hash(m.Key, nil), true
		}
		return pegkey.HashRaw(m.Key), true
	case *idl.MultiPutRequest:
		return pegkey.Hash(m.HashKey, nil), true
	case *idl.MultiGetRequest:
		return pegkey.Hash(m.HashKey, nil), true
	case *idl.MultiRemoveRequest:
		return pegkey.Hash(m.HashKey, nil), true
	case *idl.CheckAndSetRequest:
		return pegkey.Hash(m.HashKey, nil), true
	default:
		return 0, false
	}
}

package idl

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorded is one line of testdata/wire; see the README there.
type recorded struct {
	Dir           string `json:"dir"`
	RPC           string `json:"rpc"`
	Seq           int32  `json:"seq"`
	App           int32  `json:"app"`
	Partition     int32  `json:"partition"`
	TimeoutMs     uint32 `json:"timeout_ms"`
	ThreadHash    int32  `json:"thread_hash"`
	PartitionHash uint64 `json:"partition_hash,string"`
	Error         string `json:"error"`
	Frame         string `json:"frame"`

	scenario string
	line     int
	bytes    []byte
}

// readRecorded gives every thrift frame of every scenario.
func readRecorded(t testing.TB) []recorded {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "wire", "*.jsonl.gz"))
	if err != nil || len(files) != 11 {
		t.Fatalf("found %d recordings, error %v", len(files), err)
	}
	var all []recorded
	for _, file := range files {
		all = append(all, readScenario(t, file)...)
	}
	return all
}

// readScenario gives the thrift frames of one file.
func readScenario(t testing.TB, file string) []recorded {
	t.Helper()
	packed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(plain)
	lines.Buffer(nil, 8<<20)
	var frames []recorded
	for n := 1; lines.Scan(); n++ {
		r := recorded{scenario: strings.TrimSuffix(filepath.Base(file), ".jsonl.gz"), line: n}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%s line %d: %v", file, n, err)
		}
		if r.Frame == "" {
			continue
		}
		if r.bytes, err = hex.DecodeString(r.Frame); err != nil {
			t.Fatalf("%s line %d: %v", file, n, err)
		}
		frames = append(frames, r)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return frames
}

// unknownRPC is the name by which the recording client asked for something that no
// server knows. Its argument is a struct with one i32.
const unknownRPC = "RPC_NO_SUCH_THING"

// requestFor is an empty argument for a recorded RPC.
func requestFor(t *testing.T, name string) Message {
	t.Helper()
	if name == unknownRPC {
		return &ListNodesRequest{}
	}
	rpc, ok := Lookup(name)
	if !ok {
		t.Fatalf("%s was recorded but is not in the table", name)
	}
	return rpc.NewRequest()
}

// cutLine is the line of the data scenario with a put of 1 MiB of which the
// recorder kept only the first part.
const cutLine = 431

// checkCutRequest checks that a cut frame is refused, and that the frame which was
// meant, a value of zero bytes, begins with what was recorded.
func checkCutRequest(t *testing.T, r recorded) {
	t.Helper()
	if _, err := DecodeRequest(r.bytes); !errors.Is(err, ErrMalformed) {
		t.Errorf("a cut frame decodes, error %v", err)
	}
	key := []byte("\x00\x03bigk")
	req := &UpdateRequest{Key: key, Value: make([]byte, 1<<20)}
	h := RequestHeader{
		Gpid:          Gpid{AppID: r.App, Partition: r.Partition},
		TimeoutMs:     r.TimeoutMs,
		ThreadHash:    r.ThreadHash,
		PartitionHash: r.PartitionHash,
	}
	if whole := AppendRequest(nil, h, r.RPC, r.Seq, req); !bytes.HasPrefix(whole, r.bytes) {
		t.Errorf("the cut frame is no prefix of the encoded put: %x, recorded %x", whole[:160], r.bytes[:160])
	}
}

func TestRecordedRequests(t *testing.T) {
	count := 0
	for _, r := range readRecorded(t) {
		if r.Dir != "request" {
			continue
		}
		count++
		if r.scenario == "data" && r.line == cutLine {
			checkCutRequest(t, r)
			continue
		}
		req, err := DecodeRequest(r.bytes)
		if err != nil {
			t.Fatalf("%s line %d: %v", r.scenario, r.line, err)
		}
		checkRequestHeader(t, r, req)
		msg := requestFor(t, r.RPC)
		var d Decoder
		if err := req.DecodeArgs(&d, msg); err != nil {
			t.Errorf("%s line %d: %v", r.scenario, r.line, err)
			continue
		}
		prefix := []byte("kept")
		again := AppendRequest(prefix, req.RequestHeader, req.Name, req.Seq, msg)
		if !bytes.Equal(again[len(prefix):], r.bytes) {
			t.Errorf("%s line %d: %s encodes to\n%x, recorded\n%x", r.scenario, r.line, r.RPC, again[len(prefix):], r.bytes)
		}
	}
	if count < 400 {
		t.Errorf("only %d requests were recorded", count)
	}
}

// checkRequestHeader compares the decoded header with what the recorder noted.
func checkRequestHeader(t *testing.T, r recorded, req Request) {
	t.Helper()
	want := RequestHeader{
		Gpid:          Gpid{AppID: r.App, Partition: r.Partition},
		TimeoutMs:     r.TimeoutMs,
		ThreadHash:    r.ThreadHash,
		PartitionHash: r.PartitionHash,
		BodyLength:    uint32(len(r.bytes) - 48),
	}
	if req.RequestHeader != want || req.Name != r.RPC || req.Seq != r.Seq || req.OneWay || req.Version != 0 {
		t.Errorf("%s line %d: header %+v of %s #%d, recorded %+v of %s #%d",
			r.scenario, r.line, req.RequestHeader, req.Name, req.Seq, want, r.RPC, r.Seq)
	}
	if n, err := RequestLength(r.bytes[:RequestPrefix]); err != nil || n != len(r.bytes) {
		t.Errorf("%s line %d: length %d, error %v, want %d", r.scenario, r.line, n, err, len(r.bytes))
	}
}

func TestRecordedResponses(t *testing.T) {
	count := 0
	for _, r := range readRecorded(t) {
		if r.Dir != "response" {
			continue
		}
		count++
		if n, err := ResponseLength(r.bytes[:ResponsePrefix]); err != nil || n != len(r.bytes) {
			t.Errorf("%s line %d: length %d, error %v, want %d", r.scenario, r.line, n, err, len(r.bytes))
		}
		head, err := DecodeResponseHead(r.bytes)
		if err != nil {
			t.Fatalf("%s line %d: %v", r.scenario, r.line, err)
		}
		if head.Name+"_ACK" != r.RPC || head.Seq != r.Seq || string(head.Code) != r.Error {
			t.Errorf("%s line %d: head %+v, recorded %s #%d %s", r.scenario, r.line, head, r.RPC, r.Seq, r.Error)
		}
		checkResult(t, r, head)
	}
	if count < 400 {
		t.Errorf("only %d responses were recorded", count)
	}
}

// checkResult decodes the result and encodes the response again.
func checkResult(t *testing.T, r recorded, head ResponseHead) {
	t.Helper()
	var msg Message
	if head.Code == ErrOK {
		if head.RPC == nil {
			t.Errorf("%s line %d: %s is not in the table", r.scenario, r.line, head.Name)
			return
		}
		msg = head.RPC.NewResponse()
		var d Decoder
		if err := head.DecodeResult(&d, msg); err != nil {
			t.Errorf("%s line %d: %v", r.scenario, r.line, err)
			return
		}
	}
	if again := AppendResponse(nil, head.Seq, head.Name, head.Code, msg); !bytes.Equal(again, r.bytes) {
		t.Errorf("%s line %d: %s encodes to\n%x, recorded\n%x", r.scenario, r.line, r.RPC, again, r.bytes)
	}
}

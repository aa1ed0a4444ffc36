package sandbox

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// recordedLine is one line of testdata/wire; see the README there.
type recordedLine struct {
	T      float64 `json:"t"`
	Dir    string  `json:"dir"`
	Conn   string  `json:"conn"`
	Server int     `json:"server"`
	RPC    string  `json:"rpc"`
	Seq    int32   `json:"seq"`
	Error  string  `json:"error"`
	Frame  string  `json:"frame"`
	Text   string  `json:"text"`

	line  int
	frame []byte
}

// exchange is a recorded request with its response.
type exchange struct {
	request, response recordedLine
}

// recordedLines reads one scenario.
func recordedLines(t *testing.T, scenario string) []recordedLine {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("..", "..", "testdata", "wire", scenario+".jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(plain)
	lines.Buffer(nil, 8<<20)
	var list []recordedLine
	for n := 1; lines.Scan(); n++ {
		r := recordedLine{line: n}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%s line %d: %v", scenario, n, err)
		}
		if r.frame, err = hex.DecodeString(r.Frame); err != nil {
			t.Fatalf("%s line %d: %v", scenario, n, err)
		}
		list = append(list, r)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// recordedExchanges pairs the requests of a scenario with their responses, in the
// order of requests. Three requests of scenario data were not recorded: they are
// there without a frame, in the place of their responses.
func recordedExchanges(t *testing.T, scenario string) []exchange {
	t.Helper()
	var list []exchange
	open := map[string]int{}
	for _, r := range recordedLines(t, scenario) {
		id := r.Conn + "/" + strconv.Itoa(int(r.Seq))
		switch r.Dir {
		case "request", "http-request":
			open[id] = len(list)
			list = append(list, exchange{request: r})
		case "response", "http-response":
			i, ok := open[id]
			if !ok {
				lost := recordedLine{T: r.T, Conn: r.Conn, Server: r.Server, RPC: strings.TrimSuffix(r.RPC, "_ACK"), Seq: r.Seq, line: r.line}
				i, list = len(list), append(list, exchange{request: lost})
			}
			list[i].response = r
			delete(open, id)
		}
	}
	if len(open) != 0 || len(list) == 0 {
		t.Fatalf("%s: %d exchanges, %d without a response", scenario, len(list), len(open))
	}
	return list
}

// recordedText is an HTTP message. The recorder read bytes as Latin-1.
func (r recordedLine) recordedText() string {
	var b []byte
	for _, c := range r.Text {
		b = append(b, byte(c))
	}
	return string(b)
}

// recordedResponse decodes the recorded response to an RPC, nil when its header has
// an error.
func recordedResponse(t *testing.T, r recordedLine) (idl.ErrorCode, idl.Message) {
	t.Helper()
	head, err := idl.DecodeResponseHead(r.frame)
	if err != nil {
		t.Fatalf("line %d: %v", r.line, err)
	}
	return head.Code, decodeResult(t, head)
}

// decodeResult decodes the result of a response, nil when there is none.
func decodeResult(t *testing.T, head idl.ResponseHead) idl.Message {
	t.Helper()
	if head.Code != idl.ErrOK {
		return nil
	}
	m := head.RPC.NewResponse()
	var d idl.Decoder
	if err := head.DecodeResult(&d, m); err != nil {
		t.Fatalf("%s: %v", head.Name, err)
	}
	return m
}

// recordedAs finds the first response to an RPC in a scenario.
func recordedAs[T any](t *testing.T, scenario, rpc string) T {
	t.Helper()
	for _, x := range recordedExchanges(t, scenario) {
		if x.request.RPC != rpc {
			continue
		}
		_, m := recordedResponse(t, x.response)
		if found, ok := m.(T); ok {
			return found
		}
	}
	t.Fatalf("no %s in %s", rpc, scenario)
	var none T
	return none
}

// remoteOutput is the text of a recorded remote command's response.
func remoteOutput(t *testing.T, r recordedLine) string {
	t.Helper()
	_, m := recordedResponse(t, r)
	resp, ok := m.(*idl.RemoteCommandResponse)
	if !ok {
		t.Fatalf("line %d is a %T", r.line, m)
	}
	return strings.TrimSuffix(resp.Output, "\x00")
}

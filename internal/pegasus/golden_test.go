package pegasus

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// frame is one line of a recording of a real 2.5.0 cluster (testdata/wire).
type frame struct {
	Dir, RPC, Conn, Frame, Text string
	Seq                         int32
}

func recording(t *testing.T, scenario string) []frame {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "testdata", "wire", scenario+".jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []frame
	dec := json.NewDecoder(z)
	for {
		var x frame
		if err := dec.Decode(&x); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, x)
	}
}

// commands pairs the recorded remote commands with their outputs.
func commands(t *testing.T, use func(cmd string, args []string, output string)) {
	t.Helper()
	asked := make(map[string]idl.RemoteCommandRequest)
	for _, x := range recording(t, "remote") {
		raw, err := hex.DecodeString(x.Frame)
		if err != nil {
			t.Fatal(err)
		}
		var d idl.Decoder
		if x.Dir == "request" {
			r, err := idl.DecodeRequest(raw)
			if err != nil {
				t.Fatal(err)
			}
			var arg idl.RemoteCommandRequest
			if err := r.DecodeArgs(&d, &arg); err != nil {
				t.Fatal(err)
			}
			asked[x.Conn] = arg
			continue
		}
		h, err := idl.DecodeResponseHead(raw)
		if err != nil {
			t.Fatal(err)
		}
		var out idl.RemoteCommandResponse
		if err := h.DecodeResult(&d, &out); err != nil {
			t.Fatal(err)
		}
		use(asked[x.Conn].Cmd, asked[x.Conn].Arguments, out.Output)
	}
}

func TestRecordedRemoteCommands(t *testing.T) {
	infos, counters, values := 0, 0, 0
	commands(t, func(cmd string, args []string, output string) {
		switch {
		case cmd == "server-info":
			infos++
			info, err := parseServerInfo(output)
			if err != nil || info.Version != "2.5.0" || info.Build != "Release" || len(info.Commit) != 40 ||
				!strings.HasPrefix(info.Started, "2026-11-21 ") {
				t.Errorf("%q: %+v, %v", output, info, err)
			}
		case strings.HasPrefix(cmd, "perf-counters"):
			counters++
			got, err := parseCounters(output)
			if err != nil {
				t.Errorf("%v: %v", args, err)
			}
			values += len(got.Values)
			for name := range got.Values {
				if !strings.Contains(name, args[0]) && (len(args) < 2 || !strings.Contains(name, args[1])) {
					t.Errorf("%v gave %s", args, name)
				}
			}
		case cmd == "no-such-command":
			if !strings.HasPrefix(output, "unknown command '") {
				t.Errorf("unknown command: %q", output)
			}
		}
	})
	if infos < 2 || counters < 5 || values < 50 {
		t.Errorf("recording has %d server-info and %d perf-counters answers with %d values", infos, counters, values)
	}
}

func TestServerInfoOfLaterServers(t *testing.T) {
	info, err := parseServerInfo(`{"build_type":"Release","git_SHA":"abc","start_time":"2026-01-01 00:00:00","version":"2.6.0-SNAPSHOT"}` + "\n")
	if err != nil || info != (ServerInfo{"2.6.0-SNAPSHOT", "abc", "Release", "2026-01-01 00:00:00"}) {
		t.Errorf("%+v, %v", info, err)
	}
	for _, bad := range []string{"", "{}", "{", "Pegasus Server ", "nonsense"} {
		if _, err := parseServerInfo(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	for _, bad := range []string{"", "[]", `{"result":"ERROR: bad regexp"}`, `{"result":"OK","counters":[{"name":"x","value":"y"}]}`} {
		if _, err := parseCounters(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestRecordedHTTPAnswers(t *testing.T) {
	paths := make(map[string]string)
	configs, versions := 0, 0
	for _, x := range recording(t, "http") {
		if x.Dir == "http-request" {
			paths[x.Conn] = strings.Fields(x.Text)[1]
			continue
		}
		resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(x.Text)), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		switch path := paths[x.Conn]; {
		case strings.HasPrefix(path, "/config?name=config_sync_interval_ms"):
			configs++
			if v, err := parseConfig(body, resp.StatusCode); err != nil || v != "30000" {
				t.Errorf("%s: %q, %v", path, v, err)
			}
		case strings.HasPrefix(path, "/config?name=hdfs_write_limit"):
			configs++
			if _, err := parseConfig(body, resp.StatusCode); !errors.Is(err, ErrNoSuchFlag) {
				t.Errorf("%s: %v", path, err)
			}
		case path == "/replica/data_version?app_id=13":
			versions++
			v, err := parseDataVersions(body, resp.StatusCode, 13)
			if err != nil || len(v) != 4 || v[3] != 1 {
				t.Errorf("%s: %v, %v", path, v, err)
			}
		case path == "/replica/data_version?app_id=9999":
			versions++
			if v, err := parseDataVersions(body, resp.StatusCode, 9999); err != nil || len(v) != 0 {
				t.Errorf("%s: %v, %v", path, v, err)
			}
		case resp.StatusCode == http.StatusNotFound:
			if _, err := parseDataVersions(body, resp.StatusCode, 13); err == nil {
				t.Errorf("%s: %q was taken for an answer about data versions", path, body)
			}
		}
	}
	if configs < 3 || versions != 2 {
		t.Errorf("recording has %d answers about flags, %d about data versions", configs, versions)
	}
}

// TestRecordedScans holds our get_scanner to what a real client sends: the same frame,
// but for what is chosen differently on purpose.
func TestRecordedScans(t *testing.T) {
	tab := &Table{id: 13, count: 4}
	scan := &Scan{t: tab, spec: ScanSpec{Partition: 2}, batch: 20}
	rpc, _ := idl.Lookup(idl.NameGetScanner)
	for _, x := range recording(t, "scan") {
		if x.Dir != "request" || x.RPC != rpc.Name || x.Seq != 1 {
			continue
		}
		raw, err := hex.DecodeString(x.Frame)
		if err != nil {
			t.Fatal(err)
		}
		r, err := idl.DecodeRequest(raw)
		if err != nil || r.Gpid.Partition != 2 || r.PartitionHash != 2 {
			continue
		}
		h := tab.header(2, 2)
		h.TimeoutMs = r.TimeoutMs
		if got := idl.AppendRequest(nil, h, rpc.Name, 1, scan.openRequest()); !bytes.Equal(got, raw) {
			t.Errorf("got  %x\nwant %x", got, raw)
		}
		return
	}
	t.Error("the recording has no such request")
}

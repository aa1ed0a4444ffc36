package sandbox

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// httpReply is an HTTP response, taken apart.
type httpReply struct {
	status  string
	headers map[string]string // without Content-Length, which is checked
	body    string
}

// parseReply reads a whole response.
func parseReply(t *testing.T, text string) httpReply {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if int(resp.ContentLength) != len(body) {
		t.Errorf("content length %d of a body of %d bytes", resp.ContentLength, len(body))
	}
	r := httpReply{status: resp.Status, headers: map[string]string{}, body: string(body)}
	for name, values := range resp.Header {
		if name != "Content-Length" {
			r.headers[name] = strings.Join(values, "; ")
		}
	}
	return r
}

// ask sends one HTTP request as it is and reads the connection up to its end.
func ask(t *testing.T, addr, request string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp4", addr, testTimeout)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(testTimeout)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// replayHTTP sends the recorded HTTP requests.
func (w *world) replayHTTP() {
	w.t.Helper()
	for _, x := range recordedExchanges(w.t, "http") {
		w.at(httpAt + x.request.T)
		request := x.request.recordedText()
		target := strings.Fields(request)[1]
		want := parseReply(w.t, w.here(x.response.recordedText()))
		got := parseReply(w.t, ask(w.t, w.srv(x.request.Server).addr, w.here(request)))
		w.excludeHTTP(target, &got, &want)
		if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(httpReply{})); diff != "" {
			w.t.Errorf("http line %d: %s (-recorded +sandbox)\n%s", x.request.line, target, diff)
		}
	}
}

// excludeHTTP makes equal what cannot be compared; GAPS.md lists it with the reasons.
func (w *world) excludeHTTP(target string, got, want *httpReply) {
	w.t.Helper()
	switch target {
	case "/recentStartTime":
		w.equalise(got, want, "RecentStartTime")
		if _, err := time.Parse(timeFormat, jsonFields(w.t, got.body)["RecentStartTime"].(string)); err != nil {
			w.t.Error(err)
		}
	case "/meta/cluster":
		w.equalise(got, want, "balance_operation_count")
	case "/meta/backup_policy":
		// A policy had been added to the recorded cluster; here there cannot be one.
		got.body, want.body = "", ""
	case "/configs":
		w.compareFlags(got.body, want.body)
		got.body, want.body = "", ""
	}
}

// equalise gives both bodies, which are flat objects, the same value of a field that
// both have.
func (w *world) equalise(got, want *httpReply, field string) {
	w.t.Helper()
	g, r := jsonFields(w.t, got.body)[field], jsonFields(w.t, want.body)[field]
	if g == nil || r == nil {
		w.t.Errorf("field %s is %v here and %v in the recording", field, g, r)
		return
	}
	quote := func(v any) string { return strconv.Quote(v.(string)) }
	want.body = strings.Replace(want.body, quote(r), quote(g), 1)
}

// compareFlags compares two answers of /configs. Values that say how this cluster is
// called and how fast it works are its own.
func (w *world) compareFlags(got, want string) {
	w.t.Helper()
	var here, there map[string]map[string]string
	for text, to := range map[string]*map[string]map[string]string{got: &here, want: &there} {
		if err := json.Unmarshal([]byte(text), to); err != nil {
			w.t.Fatal(err)
		}
	}
	for name := range w.c.flagValues() {
		if there[name] == nil {
			w.t.Errorf("flag %s does not exist", name)
			continue
		}
		there[name]["value"] = here[name]["value"]
	}
	if diff := gocmp.Diff(there, here); diff != "" {
		w.t.Errorf("/configs (-recorded +sandbox)\n%s", diff)
	}
}

// jsonFields decodes an object.
func jsonFields(t *testing.T, text string) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return fields
}

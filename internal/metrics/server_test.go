package metrics

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
)

// get asks the server; code 0 is no answer.
func get(t *testing.T, url string) (code int, body string) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Timeout: 20 * time.Second, Transport: transport}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(data)
}

func TestServer(t *testing.T) {
	s, _ := newSink()
	v, err := Listen(t.Context(), ":0", s)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(v.Addr(), "127.0.0.1:") || v.Exposed() {
		t.Errorf("it listens at %s (exposed: %t) when no host is given", v.Addr(), v.Exposed())
	}
	s.Emit(event.StepStarted{Step: "copy", Index: 2, Of: 3})
	if code, body := get(t, "http://"+v.Addr()+"/metrics"); code != 200 || !strings.Contains(body, "pegmigrate_step_index 2\n") || !strings.Contains(body, "go_goroutines ") {
		t.Errorf("%d %s", code, body)
	}
	code, body := get(t, "http://"+v.Addr()+"/healthz")
	var health struct{ Status, Migration, Step string }
	if err := json.Unmarshal([]byte(body), &health); err != nil || code != 200 || health.Status != "ok" || health.Migration != "orders" || health.Step != "copy" {
		t.Errorf("%d %s %v", code, body, err)
	}
	if code, _ := get(t, "http://"+v.Addr()+"/debug/pprof/"); code != 404 {
		t.Errorf("%d for what is not offered", code)
	}
	if _, err := Listen(t.Context(), v.Addr(), s); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a port that is taken: %v", err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	if code, body := get(t, "http://"+v.Addr()+"/metrics"); code != 0 {
		t.Errorf("%d %s after the end", code, body)
	}
}

// A client that sends nothing does not keep a run from ending.
func TestCloseDoesNotWaitForASilentClient(t *testing.T) {
	s, _ := newSink()
	v, err := Listen(t.Context(), "127.0.0.1:0", s)
	if err != nil {
		t.Fatal(err)
	}
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", v.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("GET /metrics HTT")); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

func TestListenElsewhere(t *testing.T) {
	s, _ := newSink()
	for _, addr := range []string{"here", "127.0.0.1", "127.0.0.1:http-nonsense", "256.1.1.1:0"} {
		if v, err := Listen(t.Context(), addr, s); err == nil {
			t.Errorf("%q is taken for an address", addr)
			_ = v.Close()
		}
	}
	v, err := Listen(t.Context(), "0.0.0.0:0", s)
	if err != nil {
		t.Fatal(err)
	}
	if !v.Exposed() {
		t.Error("all addresses are not taken for exposed")
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

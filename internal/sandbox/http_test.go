package sandbox

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// httpGet asks a server and follows no redirect.
func httpGet(t *testing.T, addr, target string) (status int, body, location string) {
	t.Helper()
	client := &http.Client{
		Timeout:       testTimeout,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Get("http://" + addr + target)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header.Get("Location")
}

func TestHTTPRefusals(t *testing.T) {
	c := start(t, fast())
	newTable(t, c, TableSpec{Name: "demo"})
	meta, replica := c.Leader(), c.ReplicaServers()[0]
	for _, x := range []struct {
		addr, target string
		status       int
		body         string
	}{
		{meta, "/meta/app?name=nix", 404, `table not found: "nix"`},
		{meta, "/meta/app?name=demo&x=1", 400, ""},
		{meta, "/meta/apps?x=1", 400, ""},
		{meta, "/meta/nodes?x=1", 400, ""},
		{meta, "/meta/app_envs", 400, "app name shouldn't be empty"},
		{meta, "/meta/app_envs?name=nix", 200, "{}\n"},
		{meta, "/meta/backup_policy?x=1", 400, "Invalid parameter"},
		{meta, "/meta/app/duplication", 400, "name should not be empty"},
		{meta, "/meta/app/duplication?name=nix", 404, "ERR_APP_NOT_EXIST"},
		{meta, "/meta/app/duplication?name=demo", 200, "null"},
		{meta, "/replica/data_version?app_id=1", 404, `service not found for "replica/data_version"`},
		{replica, "/meta/cluster", 404, `service not found for "meta/cluster"`},
		{replica, "/replica/data_version", 400, "app_id should not be empty"},
		{replica, "/replica/data_version?app_id=x", 400, "invalid app_id=x"},
		{replica, "/replica/data_version?app_id=-1", 400, "invalid app_id=-1"},
		{replica, "/replica/duplication?appid=99", 404, "no primary for app [appid=99]"},
		{replica, "/config?x=1", 400, ""},
		{replica, "/config", 200, "ERR_OBJECT_NOT_FOUND:  is not found"},
		{replica, "/configs?x=1", 400, ""},
		{replica, "/perfCounter?x=1", 400, ""},
		{replica, "/perfCounter?name=nix", 200, "{}\n"},
		{replica, "/updateConfig", 200, `{"update_status":"ERR_INVALID_PARAMETERS: there should be exactly one config to be updated once"}` + "\n"},
		{replica, "/updateConfig?cluster_name=x", 200, `{"update_status":"ERR_INVALID_PARAMETERS: cluster_name is not mutable"}` + "\n"},
		{replica, "/updateConfig?config_sync_interval_ms=0", 200, `{"update_status":"ERR_INVALID_PARAMETERS: value validation failed"}` + "\n"},
		{replica, "/updateConfig?config_sync_interval_ms=-1", 200, `{"update_status":"ERR_INVALID_PARAMETERS: -1 is invalid"}` + "\n"},
		{replica, "/updateConfig?balance_cluster=maybe", 200, `{"update_status":"ERR_INVALID_PARAMETERS: maybe is invalid"}` + "\n"},
		{replica, "//version//?a=1", 200, `{"Version":"2.5.0","GitCommit":"` + gitCommit + `"}` + "\n"},
		{replica, "/config?name=a&name=b", 400, "failed to parse request: ERR_INVALID_PARAMETERS: duplicate parameter: name"},
	} {
		if status, body, _ := httpGet(t, x.addr, x.target); status != x.status || body != x.body {
			t.Errorf("%s: %d %q, want %d %q", x.target, status, body, x.status, x.body)
		}
	}
}

func TestHTTPRedirect(t *testing.T) {
	cfg := fast()
	cfg.Metas = 3
	c := start(t, cfg)
	leader := c.Leader()
	for _, meta := range c.MetaServers() {
		status, _, location := httpGet(t, meta, "/meta/app?name=demo&detail")
		if meta == leader {
			if status != http.StatusNotFound {
				t.Errorf("the leader answers %d", status)
			}
			continue
		}
		if want := "http://" + leader + "/meta/app?detail=&name=demo"; status != http.StatusTemporaryRedirect || location != want {
			t.Errorf("%d to %s, want %s", status, location, want)
		}
		if status, _, _ := httpGet(t, meta, "/version"); status != http.StatusOK {
			t.Errorf("/version is not for the leader alone: %d", status)
		}
	}
	// Between leaders nobody knows where to go.
	for _, m := range c.metas {
		if m.srv.addr != leader {
			c.mu.Lock()
			c.leader = nil
			c.mu.Unlock()
			got := parseReply(t, ask(t, m.srv.addr, "GET /meta/cluster HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
			if got.status != "307 Temporary Redirect" || got.headers["Location"] != "http://invalid address/meta/cluster" {
				t.Errorf("without a leader: %+v", got)
			}
			break
		}
	}
}

// TestHTTPConfig: intervals are those that the cluster works with, and the one that
// can be changed while a server runs changes when envs arrive.
func TestHTTPConfig(t *testing.T) {
	clock := NewManualClock(time.Unix(1_800_000_000, 0))
	c := start(t, Config{TimeFactor: 100, Clock: clock, Replicas: 1, Seed: 3})
	replica := c.ReplicaServers()[0]
	value := func(name string) string {
		t.Helper()
		_, body, _ := httpGet(t, replica, "/config?name="+name)
		return fmt.Sprint(jsonFields(t, body)["value"])
	}
	for name, want := range map[string]string{
		"config_sync_interval_ms": "300", "group_check_interval_ms": "1000", "lb_interval_ms": "100",
		"fd_grace_seconds": "1", "max_allowed_write_size": "1048576", "cluster_name": "sandbox",
	} {
		if got := value(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if _, err := c.CreateTable(TableSpec{Name: "demo", Partitions: 1, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Second)
	if _, body, _ := httpGet(t, replica, "/updateConfig?config_sync_interval_ms=60000"); body != `{"update_status":"ERR_OK"}`+"\n" {
		t.Fatal(body)
	}
	if got := value("config_sync_interval_ms"); got != "60000" {
		t.Errorf("the changed interval is %s", got)
	}
	clock.Advance(time.Second) // the timer that ran already
	if err := c.SetEnvs("demo", map[string]string{envDeny: "reconfig*write"}); err != nil {
		t.Fatal(err)
	}
	fenced := func() bool {
		r := c.nodes[0].sorted()[0]
		r.part.mu.Lock()
		defer r.part.mu.Unlock()
		return r.env.denyWrite
	}
	if clock.Advance(30 * time.Second); fenced() {
		t.Error("the fence is up before the interval is over")
	}
	if clock.Advance(31 * time.Second); !fenced() {
		t.Error("the fence is not up after the interval")
	}
	if err := c.KillReplica(0); err != nil {
		t.Fatal(err)
	}
	if err := c.RestartReplica(0); err != nil {
		t.Fatal(err)
	}
	if got := value("config_sync_interval_ms"); got != "300" {
		t.Errorf("after a restart the interval is %s", got)
	}
}

// TestHTTPConnection: several requests on one connection, in pieces, with a body,
// next to RPC; and what is not HTTP ends the connection.
func TestHTTPConnection(t *testing.T) {
	c := start(t, fast())
	addr := c.ReplicaServers()[0]
	conn, err := net.DialTimeout("tcp4", addr, testTimeout)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(testTimeout)); err != nil {
		t.Fatal(err)
	}
	for _, piece := range []string{
		"GET /version HTTP/1.1\r\nHo", "st: x\r\n\r\nPOST /nope HTTP/1.1\r\nHost: x\r\nContent-Len", "gth: 4\r\n\r\nbo",
		"dyGET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	} {
		if _, err := conn.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if ok, missing := strings.Count(string(text), "HTTP/1.1 200 OK"), strings.Count(string(text), "404 Not Found"); ok != 2 || missing != 1 {
		t.Errorf("%d good answers and %d bad ones:\n%s", ok, missing, text)
	}
	for _, bad := range []string{
		"GET with no sense at all, but long enough\r\n\r\n", "PUT /version HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /" + strings.Repeat("x", 2*maxHTTPHead) + " HTTP/1.1\r\n\r\n",
		"GET /%zz?%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"POST /version HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
		"POST /version HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n" + strings.Repeat("x", 2*maxHTTPBody),
	} {
		if text := tryAsk(t, addr, bad); strings.Contains(text, "200 OK") {
			t.Errorf("%.40q is answered %s", bad, text)
		}
	}
	if status, _, _ := httpGet(t, addr, "/version"); status != http.StatusOK {
		t.Errorf("the server is hurt: %d", status)
	}
}

// tryAsk is ask for requests that end the connection, maybe while they are sent.
func tryAsk(t *testing.T, addr, request string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(testTimeout)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(request)); err != nil {
		return ""
	}
	text, err := io.ReadAll(conn)
	if err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("%.40q: the connection stays open", request)
	}
	return string(text)
}

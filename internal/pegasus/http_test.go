package pegasus

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHTTP(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/config", func(w http.ResponseWriter, r *http.Request) {
		if name := r.URL.Query().Get("name"); name != "known" {
			_, _ = w.Write([]byte("ERR_OBJECT_NOT_FOUND: " + name + " is not found"))
			return
		}
		_, _ = w.Write([]byte(`{"name":"known","value":"17"}` + "\n"))
	})
	mux.HandleFunc("/replica/data_version", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("app_id") != "7" {
			http.Error(w, "app_id="+r.URL.Query().Get("app_id")+" not found", http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(`{"3":{"data_version":"1"},"5":{"data_version":"0"}}`))
	})
	hang := make(chan struct{})
	defer close(hang)
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/meta/apps", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("apps")) })
	web := httptest.NewServer(mux)
	defer web.Close()
	node := strings.TrimPrefix(web.URL, "http://")
	follower := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, web.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer follower.Close()

	k := newCluster(t, 1, 0, 0)
	c := k.open(func(cfg *Config) { cfg.RPCTimeout = time.Second })
	if v, err := c.ConfigValue(t.Context(), node, "known"); err != nil || v != "17" {
		t.Error(v, err)
	}
	if _, err := c.ConfigValue(t.Context(), node, "nope"); !errors.Is(err, ErrNoSuchFlag) {
		t.Error(err)
	}
	if v, err := c.DataVersions(t.Context(), node, 7); err != nil || len(v) != 2 || v[3] != 1 || v[5] != 0 {
		t.Error(v, err)
	}
	if v, err := c.DataVersions(t.Context(), node, 8); err != nil || len(v) != 0 {
		t.Error(v, err)
	}
	if body, status, err := c.HTTPGet(t.Context(), node, "/nothing"); err != nil || status != http.StatusNotFound {
		t.Error(string(body), status, err)
	}
	began := time.Now()
	if _, _, err := c.HTTPGet(t.Context(), node, "/hang"); err == nil || time.Since(began) > 5*time.Second {
		t.Error("a server that hangs was waited for", err)
	}
	if _, status, err := c.HTTPGet(t.Context(), strings.TrimPrefix(follower.URL, "http://"), "/meta/apps"); err != nil ||
		status != http.StatusTemporaryRedirect {
		t.Error(status, err)
	}
	addr := strings.TrimPrefix(follower.URL, "http://")
	c.addMeta(addr)
	c.setLeader(addr)
	if body, status, err := c.MetaHTTPGet(t.Context(), "/meta/apps"); err != nil || status != http.StatusOK || string(body) != "apps" {
		t.Error(string(body), status, err)
	}
}

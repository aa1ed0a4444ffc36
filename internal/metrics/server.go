package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Times that a scrape may take. Prometheus itself gives up after 10 s unless told otherwise.
const (
	headerLimit = 5 * time.Second
	scrapeLimit = 10 * time.Second
	idleLimit   = 2 * time.Minute
	// closeLimit bounds the wait for a scrape that is being answered when the run ends.
	closeLimit = time.Second
	// maxScrapes are answered at once; more get 503.
	maxScrapes = 4
)

// Server offers the metrics of one run over HTTP, without authentication.
type Server struct {
	listener net.Listener
	http     *http.Server
	ended    chan error
}

// Listen binds addr, HOST:PORT, and serves /metrics and /healthz until Close. Without a host it binds the
// loopback address; port 0 takes a free one, which Addr tells. The error says what is wrong with addr.
func Listen(ctx context.Context, addr string, s *Sink) (*Server, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("%q is not HOST:PORT", addr)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, Timeout: scrapeLimit}))
	mux.HandleFunc("GET /healthz", s.health)
	v := &Server{listener: l, ended: make(chan error, 1), http: &http.Server{Handler: mux,
		ReadHeaderTimeout: headerLimit, ReadTimeout: headerLimit, WriteTimeout: 2 * scrapeLimit, IdleTimeout: idleLimit, MaxHeaderBytes: 1 << 14}}
	go func() { v.ended <- v.http.Serve(l) }()
	return v, nil
}

// Addr is HOST:PORT as it was bound.
func (v *Server) Addr() string { return v.listener.Addr().String() }

// Exposed says that other hosts may reach it.
func (v *Server) Exposed() bool {
	a, ok := v.listener.Addr().(*net.TCPAddr)
	return !ok || !a.IP.IsLoopback()
}

// Close ends it; a scrape under way gets a second. The error is that of the server, nil when it ended
// because of this call.
func (v *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	if v.http.Shutdown(ctx) != nil {
		_ = v.http.Close() // whoever still reads gets a broken connection, as at the end of any process
	}
	if err := <-v.ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// health answers as long as the process lives; whether it moves is for the reader to judge.
func (s *Sink) health(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	answer := struct {
		Status    string    `json:"status"`
		Migration string    `json:"migration"`
		Command   string    `json:"command"`
		Step      string    `json:"step,omitempty"`
		LastEvent time.Time `json:"last_event,omitzero"`
	}{"ok", s.about.Migration, s.about.Command, s.step, s.last}
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(answer) // the reader is gone: nobody to tell
}

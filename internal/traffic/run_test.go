package traffic

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// text is a buffer for several goroutines.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// places is who serves which client.
type places struct {
	mu sync.Mutex
	at map[string]string
}

func (p *places) set(client, cluster string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at == nil {
		p.at = map[string]string{}
	}
	p.at[client] = cluster
}

func (p *places) all(cluster string, clients int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, at := range p.at {
		if at == cluster {
			n++
		}
	}
	return n == clients && len(p.at) == clients
}

// TestSwitch moves a table under writers, readers and a counting client of both drivers: fence,
// copy, switch, evict. Nothing acknowledged is lost, and everybody arrives.
func TestSwitch(t *testing.T) {
	w := newWorld(t)
	journal := filepath.Join(t.TempDir(), "journal")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, on := &text{}, &places{}
	type outcome struct {
		s   Summary
		err error
	}
	ended := make(chan outcome, 1)
	go func() {
		s, err := Run(ctx, Config{Proxies: w.routing.ProxyAddrs(), Table: table, Clients: "writer/go,writer/java,reader/go,reader/java,incr/java",
			Rate: 600, Timeout: 1500 * time.Millisecond, Workers: 4, Journal: journal, Clusters: w.clusters(), Progress: out, Serving: on.set})
		ended <- outcome{s, err}
	}()
	until(t, "traffic", func() bool { n, err := w.a.Count(table); return err == nil && n > 200 })
	w.deny("reconfig*write")
	w.move()
	w.lead(w.b)
	for i := range 2 {
		until(t, "the switch", func() bool { return leads(t, w.routing.ProxyAddrs()[i], w.b.ReplicaServers()) })
	}
	w.deny("reconfig*all")
	before, err := w.b.Count(table)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "traffic on the target", func() bool { n, err := w.b.Count(table); return err == nil && n > before+200 })
	until(t, "everybody on the target", func() bool { return on.all("b", 5) })
	cancel()
	o := <-ended
	if o.err != nil {
		t.Fatal(o.err)
	}
	if !strings.Contains(out.String(), "writer-java ") {
		t.Errorf("progress: %s", out.String())
	}
	if len(o.s.Clients) != 5 || o.s.RejectWindow == nil || o.s.RejectWindow.Milliseconds == 0 {
		t.Errorf("%+v", o.s)
	}
	for _, c := range o.s.Clients {
		if c.OK == 0 || c.Serving != "b" || c.Served["a"] == 0 || c.Served["b"] == 0 || c.Served["?"] != 0 || len(c.Switches) == 0 {
			t.Errorf("%s: %+v", c.Name, c)
		}
	}
	r := w.check(journal, w.b)
	if !r.OK() || r.Acked < 300 || r.Rows == 0 {
		t.Errorf("%+v", r)
	}
	if r := w.check(journal, w.a); r.OK() {
		t.Error("the source has everything, too: no write came after the fence")
	}
}

// leads tells whether a proxy leads to one of the servers.
func leads(t *testing.T, proxy string, servers []string) bool {
	t.Helper()
	j := &Java{table: table, proxies: []string{proxy}, timeout: time.Second, stop: make(chan struct{}), sessions: map[string]*javaSession{}}
	defer j.Close()
	resp, code := j.query(nil)
	if code != idl.ErrOK {
		return false
	}
	for _, s := range servers {
		if resp.Partitions[0].Primary.String() == s {
			return true
		}
	}
	return false
}

// TestCheckFinds: what is lost, comes back or is changed behind the writer's back is found.
func TestCheckFinds(t *testing.T) {
	w := newWorld(t)
	journal := filepath.Join(t.TempDir(), "journal")
	s, err := Run(deadline(t, 30*time.Second), Config{Proxies: w.routing.ProxyAddrs(), Table: table, Clients: "writer/java", Rate: 2000, For: time.Second, Journal: journal, Clusters: w.clusters()})
	if err != nil || len(s.Clients) != 1 || s.Clients[0].Failed != 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	honest := w.check(journal, w.a)
	if !honest.OK() || honest.Acked != s.Clients[0].OK || honest.Open != 0 || honest.Others != 0 {
		t.Fatalf("%+v, %d writes", honest, s.Clients[0].OK)
	}
	all := []Row{}
	for r := range rows(w.a) {
		all = append(all, r)
	}
	check := func(name string, table []Row, want Report) {
		t.Helper()
		f, err := os.Open(journal)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r, err := Check(f, func(yield func(Row, error) bool) {
			for _, row := range table {
				if !yield(row, nil) {
					return
				}
			}
		}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if r.Missing != want.Missing || r.Wrong != want.Wrong || r.Resurrected != want.Resurrected || r.Expiry != want.Expiry || r.Others != want.Others || r.OK() != (len(r.Findings) == 0) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	check("as it is", all, Report{})
	check("a row less", all[1:], Report{Missing: 1})
	old := append([]Row{}, all...)
	old[0].Value = []byte("0:old")
	check("an old value", old, Report{Wrong: 1})
	other := append(append([]Row{}, all...), Row{Key: Key{"other", "s"}.raw()})
	check("a row of somebody else", other, Report{Others: 1})
	later := append([]Row{}, all...)
	for i := range later {
		if later[i].Expire > 0 {
			later[i].Expire += 1000
			break
		}
	}
	check("another expiry", later, Report{Expiry: 1})
	back := append([]Row{}, all...)
	if k := deletedKey(t, journal, all); k != (Key{}) {
		check("a deleted row is back", append(back, Row{Key: k.raw(), Value: []byte("1:x")}), Report{Resurrected: 1})
	} else {
		t.Error("nothing was deleted")
	}
}

// deletedKey is a key whose last acknowledged write is a delete.
func deletedKey(t *testing.T, journal string, present []Row) Key {
	t.Helper()
	f, err := os.Open(journal)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	keys, err := (&Report{}).fold(f)
	if err != nil {
		t.Fatal(err)
	}
	for k, s := range keys {
		if s.acked != nil && s.acked.Op == opDelete {
			return k
		}
	}
	return Key{}
}

func TestRunRefuses(t *testing.T) {
	good := Config{Proxies: []string{"127.0.0.1:1"}, Table: "t", Clients: "writer", Rate: 1}
	for name, change := range map[string]func(*Config){
		"no proxies": func(c *Config) { c.Proxies = nil }, "no table": func(c *Config) { c.Table = "" }, "no rate": func(c *Config) { c.Rate = 0 },
		"timeout": func(c *Config) { c.Timeout = time.Minute }, "kind": func(c *Config) { c.Clients = "writer,nonsense" },
		"driver": func(c *Config) { c.Clients = "writer/c" }, "no clients": func(c *Config) { c.Clients = "" }, "time": func(c *Config) { c.For = -1 },
		"workers": func(c *Config) { c.Workers = -1 },
	} {
		c := good
		change(&c)
		if _, err := Run(t.Context(), c); err == nil {
			t.Errorf("%s: it ran", name)
		}
	}
	path := filepath.Join(t.TempDir(), "j")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := CreateJournal(path); err == nil {
		t.Error("a file was overwritten")
	}
}

func TestParseClients(t *testing.T) {
	specs, err := parseClients("writer, reader/java,incr,writer", 2000)
	if err != nil || len(specs) != 4 {
		t.Fatal(specs, err)
	}
	sum := 0.0
	for _, s := range specs {
		sum += s.rate
	}
	if specs[0].name != "writer-go" || specs[1].driver != "java" || specs[3].name != "writer-go-2" || specs[2].rate != 100 || sum < 1999 || sum > 2001 {
		t.Errorf("%+v", specs)
	}
	if specs, err := parseClients("incr,incr", 10); err != nil || specs[0].rate != 5 {
		t.Errorf("%+v, %v", specs, err)
	}
}

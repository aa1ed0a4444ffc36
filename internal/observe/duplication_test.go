package observe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/metaproxy"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/wire"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// testTimeout bounds every wait of a test.
const testTimeout = 20 * time.Second

const table = "orders"

// ends are two clusters; the source has the table, with one row in every partition but the last.
type ends struct {
	t              *testing.T
	east, west     *sandbox.Cluster
	source, target Side
	id             int32 // the table's
}

func newEnds(t *testing.T, edit func(east, west *sandbox.Config)) *ends {
	t.Helper()
	e := &ends{t: t}
	a, b := sandbox.Config{Name: "east", TimeFactor: 300, Seed: 1}, sandbox.Config{Name: "west", TimeFactor: 300, Seed: 2}
	if edit != nil {
		edit(&a, &b)
	}
	open := func(cfg sandbox.Config) (*sandbox.Cluster, Side) {
		s, err := sandbox.Start(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		c, err := pegasus.Open(t.Context(), pegasus.Config{Name: cfg.Name, MetaServers: s.MetaServers(), RPCTimeout: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return s, Side{Cluster: c, Label: cfg.Name, MetaServers: s.MetaServers(), Table: table}
	}
	e.east, e.source = open(a)
	e.west, e.target = open(b)
	if err := sandbox.Link(e.east, e.west); err != nil {
		t.Fatal(err)
	}
	var err error
	if e.id, err = e.east.CreateTable(sandbox.TableSpec{Name: table, Partitions: 8}); err != nil {
		t.Fatal(err)
	}
	e.within(func(ctx context.Context) error { return e.east.WaitHealthy(ctx, table) })
	if err := e.east.Load(table, func(yield func(sandbox.Row) bool) {
		for p := range int32(7) {
			key := pegkey.Encode(nil, pegkey.ProbeKey("row.", p, 8), []byte("s"))
			if !yield(sandbox.Row{Key: key, Value: make([]byte, 100*(p+1))}) {
				return
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *ends) within(f func(ctx context.Context) error) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), testTimeout)
	defer cancel()
	if err := f(ctx); err != nil {
		e.t.Fatal(err)
	}
}

// look looks with the option, and with a MetaProxy when there is one.
func (e *ends) look(m *schema.MetaProxy) plan.Facts {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), testTimeout)
	defer cancel()
	method := &schema.DuplicationMethod{Cutover: &schema.Cutover{MetaProxy: m}}
	f, err := Look(ctx, e.source, e.target, WithDuplication(method, metaproxy.Options{}))
	if err != nil || f.Duplication == nil {
		e.t.Fatalf("%+v, %v", f.Duplication, err)
	}
	return f
}

func TestLookWithoutDuplication(t *testing.T) {
	e := newEnds(t, nil)
	f, err := Look(t.Context(), e.source, e.target)
	if err != nil || f.Duplication != nil || f.Traffic != nil || f.SourceTable == nil || f.TargetTable != nil {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestLookWithDuplication(t *testing.T) {
	e := newEnds(t, func(east, _ *sandbox.Config) { east.Metas = 2 })
	f := e.look(nil)
	d := f.Duplication
	want := slices.Sorted(slices.Values(append(e.east.MetaServers(), e.east.ReplicaServers()...)))
	for i, s := range d.SourceConfig {
		if s.Addr != want[i] || s.Meta != slices.Contains(e.east.MetaServers(), s.Addr) || s.Problem != "" || !s.DuplicationEnabled ||
			!maps.Equal(s.ClusterIDs, map[string]int{"east": 1, "west": 2}) ||
			!slices.Equal(s.Clusters["west"], e.west.MetaServers()) || !slices.Equal(s.Clusters["east"], e.east.MetaServers()) {
			t.Errorf("%+v", s)
		}
	}
	if len(d.SourceConfig) != 5 || len(d.TargetConfig) != 4 {
		t.Errorf("%d and %d servers", len(d.SourceConfig), len(d.TargetConfig))
	}
	ready := plan.DuplicationProbe{Asked: true, Ready: true}
	if d.SourceProbe != ready || d.TargetProbe != ready {
		t.Errorf("%+v, %+v", d.SourceProbe, d.TargetProbe)
	}
	if d.RemoteNames || d.Entries != nil || d.TargetEntries != nil || d.TargetDropped || d.Route != nil || d.DuplicationSync != 0 {
		t.Errorf("%+v", d)
	}
	largest := pegkey.Encode(nil, pegkey.ProbeKey("row.", 6, 8), []byte("s"))
	if !slices.Equal(d.EmptyPartitions, []int{7}) || d.LargestRow != int64(700+len(largest)) || d.BatchBytes != 4096 {
		t.Errorf("empty %v, largest row %d, batch %d", d.EmptyPartitions, d.LargestRow, d.BatchBytes)
	}
	if f.Source.GroupCheck.Round(time.Millisecond) != e.east.Timing().GroupCheck.Round(time.Millisecond) {
		t.Error(f.Source.GroupCheck)
	}
	for _, c := range []*sandbox.Cluster{e.east, e.west} {
		if list, err := c.Duplications(table); err == nil && len(list) > 0 {
			t.Errorf("looking left %+v", list)
		}
	}
}

func TestLookAtWrongConfigurations(t *testing.T) {
	e := newEnds(t, func(_, west *sandbox.Config) { west.DuplicationDisabled = true })
	one := e.east.ReplicaServers()[1]
	if err := e.east.SetClusterID("west", 0, one); err != nil {
		t.Fatal(err)
	}
	if err := e.east.SetClusterMetas("west", nil, e.east.MetaServers()...); err != nil {
		t.Fatal(err)
	}
	d := e.look(nil).Duplication
	for _, s := range d.SourceConfig {
		if _, has := s.ClusterIDs["west"]; has == (s.Addr == one) {
			t.Errorf("%+v", s)
		}
		if metas := s.Clusters["west"]; len(metas) == 0 != s.Meta {
			t.Errorf("%+v", s)
		}
	}
	for _, s := range d.TargetConfig {
		if s.DuplicationEnabled || s.Problem != "" {
			t.Errorf("%+v", s)
		}
	}
	if p := d.SourceProbe; !p.Asked || p.Ready || p.Code != string(idl.ErrInvalidParameters) || !strings.Contains(p.Hint, "west") {
		t.Errorf("%+v", p)
	}
	if p := d.TargetProbe; !p.Asked || p.Ready || p.Code != string(idl.ErrServiceNotActive) {
		t.Errorf("%+v", p)
	}
}

func TestLookAtSilentServers(t *testing.T) {
	e := newEnds(t, nil)
	if err := e.west.KillReplica(0); err != nil {
		t.Fatal(err)
	}
	silent := e.west.ReplicaServers()[0]
	problems := 0
	for _, s := range e.look(nil).Duplication.TargetConfig {
		if (s.Problem != "") != (s.Addr == silent) {
			t.Errorf("%+v", s)
		}
		if s.Problem != "" {
			problems++
		}
	}
	if problems != 1 {
		t.Errorf("%d problems", problems)
	}
}

func TestLookAtATableInUse(t *testing.T) {
	e := newEnds(t, nil)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- e.increment(stop) }()
	defer func() {
		close(stop)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	deadline := time.Now().Add(testTimeout)
	for {
		d := e.look(nil).Duplication
		if d.NonIdempotentQPS > 0 && d.WriteQPS >= d.NonIdempotentQPS && d.ReadQPS > 0 {
			break // the looks themselves scan
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", d)
		}
	}
	for {
		f, err := Look(t.Context(), e.source, e.target, WithTraffic())
		if err == nil && f.Traffic != nil && f.Traffic.WriteQPS > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v, %v", f.Traffic, err)
		}
	}
}

// increment sends incr to partition 0 until stop.
func (e *ends) increment(stop <-chan struct{}) error {
	conn := wire.NewReplicaConn(e.east.Primary(table, 0), wire.Options{})
	defer conn.Close()
	key := pegkey.Encode(nil, pegkey.ProbeKey("count.", 0, 8), []byte("s"))
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		h := idl.RequestHeader{Gpid: idl.Gpid{AppID: e.id}, TimeoutMs: 1000}
		if err := conn.Call(context.Background(), h, idl.NameIncr, &idl.IncrRequest{Key: key, Increment: 1}, &idl.IncrResponse{}); err != nil {
			return fmt.Errorf("incr: %w", err)
		}
	}
}

func TestLookAtDuplicationsAndDroppedTables(t *testing.T) {
	e := newEnds(t, nil)
	if _, err := e.west.CreateTable(sandbox.TableSpec{Name: table, Partitions: 8}); err != nil {
		t.Fatal(err)
	}
	e.within(func(ctx context.Context) error { return e.west.WaitHealthy(ctx, table) })
	there, err := e.east.AddDuplication(table, "west", false)
	if err != nil {
		t.Fatal(err)
	}
	back, err := e.west.AddDuplication(table, "east", false)
	if err != nil {
		t.Fatal(err)
	}
	d := e.look(nil).Duplication
	if len(d.Entries) != 1 || d.Entries[0].ID != there || d.Entries[0].Remote != "west" || d.Entries[0].FailMode != "FAIL_SLOW" ||
		!strings.HasPrefix(d.Entries[0].Status, "DS_") || time.Since(d.Entries[0].CreatedAt).Abs() > time.Minute || d.TargetDropped {
		t.Errorf("%+v", d)
	}
	if len(d.TargetEntries) != 1 || d.TargetEntries[0].ID != back || d.TargetEntries[0].Remote != "east" {
		t.Errorf("%+v", d.TargetEntries)
	}
	if err := e.west.ModifyDuplication(table, back, idl.DupRemoved); err != nil {
		t.Fatal(err)
	}
	if err := e.west.DropTable(table); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(testTimeout)
	for f := e.look(nil); f.TargetTable != nil || !f.Duplication.TargetDropped || len(f.Duplication.TargetEntries) > 0; f = e.look(nil) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v, %+v", f.TargetTable, f.Duplication)
		}
	}
}

func TestLookAtRoutes(t *testing.T) {
	r, err := sandbox.StartRouting(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	declared := &schema.MetaProxy{Root: sandbox.RouteRoot, Proxies: r.ProxyAddrs()}
	e := newEnds(t, nil)
	if f := e.look(declared).Duplication.Route; f == nil || f.Problem == "" || f.Exists {
		t.Errorf("without any ZooKeeper: %+v", f)
	}
	e = newEnds(t, func(east, _ *sandbox.Config) { east.ZooKeeper = r.ZooKeeper().Addr() })
	if f := e.look(declared).Duplication.Route; f == nil || f.Exists || f.Problem != "" || f.Path != sandbox.RoutePath(table) {
		t.Errorf("without a record: %+v", f)
	}
	if err := r.Lead(table, e.east); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(testTimeout)
	for {
		f := e.look(declared).Duplication.Route
		if f != nil && f.Exists && f.ClusterName == "east" && f.Writable && slices.Equal(f.ZooKeeper, []string{r.ZooKeeper().Addr()}) &&
			len(f.Proxies) == 1 && f.Proxies[0].LeadsTo == metaproxy.LeadsToSource && f.Proxies[0].AppID == e.id {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", f)
		}
	}
}

// fakeEnd answers duplication's questions as told; everything else panics.
type fakeEnd struct {
	Cluster
	probe error
	list  bool
	err   error
}

func (f fakeEnd) ProbeDuplication(context.Context, string) error { return f.probe }

func (f fakeEnd) HasListDuplication(context.Context) (bool, error) { return f.list, f.err }

func TestProbeWithoutAnAnswer(t *testing.T) {
	p := probe(t.Context(), fakeEnd{probe: errors.New("no leader")}, "west")
	if !p.Asked || p.Ready || p.Code != "" || p.Hint != "no leader" {
		t.Errorf("%+v", p)
	}
	if p := probe(t.Context(), fakeEnd{}, ""); p.Asked || p.Ready {
		t.Errorf("a cluster without a name: %+v", p)
	}
}

func TestRemoteNamesNeedEveryServer(t *testing.T) {
	node := func(version string, alive bool) plan.NodeFacts {
		return plan.NodeFacts{Addr: version, Alive: alive, Version: version}
	}
	for name, c := range map[string]struct {
		list  bool
		nodes []plan.NodeFacts
		want  bool
	}{
		"all new":                    {true, []plan.NodeFacts{node("2.6.0", true), node("2.6.1-SNAPSHOT", true)}, true},
		"a dead one does not matter": {true, []plan.NodeFacts{node("2.6.0", true), node("", false)}, true},
		"an old one":                 {true, []plan.NodeFacts{node("2.6.0", true), node("2.5.0", true)}, false},
		"one that does not tell":     {true, []plan.NodeFacts{node("2.6.0", true), node("", true)}, false},
		"an old meta":                {false, []plan.NodeFacts{node("2.6.0", true)}, false},
	} {
		got, err := remoteNames(t.Context(), Side{Cluster: fakeEnd{list: c.list}}, plan.ClusterFacts{Nodes: c.nodes})
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := remoteNames(t.Context(), Side{Cluster: fakeEnd{err: errSilent}, Label: "east"}, plan.ClusterFacts{}); !errors.Is(err, errSilent) {
		t.Error(err)
	}
}

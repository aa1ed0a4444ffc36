package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// up runs a sandbox in dir until the test ends, or until stop is called.
func up(t *testing.T, dir string) (d Description, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Up(ctx, UpConfig{Dir: dir, TimeFactor: 1000}) }()
	stopped := false
	stop = func() {
		cancel()
		if !stopped {
			stopped = true
			if err := <-done; err != nil {
				t.Errorf("up: %v", err)
			}
		}
	}
	t.Cleanup(stop)
	until(t, DescriptionFile, func() bool {
		_, err := os.Stat(filepath.Join(dir, DescriptionFile))
		return err == nil
	})
	d, err := ReadDescription(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d, stop
}

func TestUp(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made by up")
	d, stop := up(t, dir)
	if len(d.Clusters) != 2 || d.Clusters[0].Name != "a" || d.Clusters[1].Name != "b" {
		t.Fatalf("%+v", d)
	}
	if len(d.Clusters[0].MetaServers) != 2 || len(d.Clusters[1].ReplicaServers) != 3 {
		t.Errorf("%+v", d)
	}
	list := &idl.ListNodesResponse{}
	dial(t, d.Clusters[1].MetaServers[0]).call(idl.RequestHeader{}, idl.NameListNodes, &idl.ListNodesRequest{}, list)
	if len(list.Infos) != 3 {
		t.Errorf("cluster b lists %+v", list.Infos)
	}
	info, err := os.Stat(filepath.Join(dir, SocketFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info.Mode(), err)
	}
	starter, err := os.ReadFile(filepath.Join(dir, MigrationFile))
	if err != nil || !strings.Contains(string(starter), d.Clusters[0].MetaServers[0]) {
		t.Errorf("starter: %s, %v", starter, err)
	}
	if err := Up(t.Context(), UpConfig{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another sandbox") {
		t.Errorf("second sandbox in the folder: %v", err)
	}
	stop()
	for _, name := range []string{DescriptionFile, SocketFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	if _, err := ReadDescription(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("description: %v", err)
	}
}

func TestEditedStarterIsKept(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, MigrationFile)
	if err := os.WriteFile(path, []byte("# mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	up(t, dir)
	if got, err := os.ReadFile(path); string(got) != "# mine\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestRemoteLoadAndDump(t *testing.T) {
	// So long a path does not fit into a socket address.
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	_, _ = up(t, dir)
	r := Remote{Dir: dir}
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	req := LoadRequest{Cluster: "a", Table: "demo", Partitions: 8, LoadSpec: LoadSpec{Rows: 500, ValueSize: 20, MaxSortKeys: 5, TTLShare: 0.5, Seed: 1}}
	if err := r.Load(ctx, req); err != nil {
		t.Fatal(err)
	}
	var first bytes.Buffer
	if err := r.Dump(ctx, "a", "demo", &first); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(first.String()), "\n")
	var keys []string
	expiring := 0
	for _, line := range lines {
		var row dumpedRow
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, row.K)
		if row.E > 0 {
			expiring++
		}
	}
	if len(keys) != 500 || !slices.IsSorted(keys) || expiring < 200 || expiring > 300 {
		t.Errorf("%d rows, sorted %v, %d with an expiry", len(keys), slices.IsSorted(keys), expiring)
	}
	// The same request makes the same rows.
	req.Cluster = "b"
	var second bytes.Buffer
	if err := errors.Join(r.Load(ctx, req), r.Load(ctx, req), r.Dump(ctx, "b", "demo", &second)); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() {
		t.Error("two loads of the same rows differ")
	}
}

func TestRemoteErrors(t *testing.T) {
	dir := t.TempDir()
	r := Remote{Dir: dir}
	if err := r.Dump(t.Context(), "a", "t", new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "no sandbox runs") {
		t.Errorf("nothing runs: %v", err)
	}
	_, _ = up(t, dir)
	var remote *RemoteError
	if err := r.Dump(t.Context(), "a", "none", new(bytes.Buffer)); !errors.As(err, &remote) || !errors.Is(err, idl.ErrAppNotExist) {
		t.Errorf("no table: %v", err)
	}
	if err := r.Dump(t.Context(), "z", "none", new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), `no cluster "z"`) {
		t.Errorf("no cluster: %v", err)
	}
	if err := r.Load(t.Context(), LoadRequest{Cluster: "a", Table: "t", LoadSpec: LoadSpec{Rows: -1}}); !errors.As(err, &remote) {
		t.Errorf("bad load: %v", err)
	}
	if err := r.Inject(t.Context(), "a", Fault{Kind: "nonsense"}, new(bytes.Buffer)); !errors.As(err, &remote) {
		t.Errorf("bad fault: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Dump(ended, "a", "t", new(bytes.Buffer)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestRemoteFaults(t *testing.T) {
	dir := t.TempDir()
	d, _ := up(t, dir)
	r := Remote{Dir: dir}
	var out bytes.Buffer
	if err := r.Inject(t.Context(), "b", Fault{Kind: FaultFail, RPC: "list_apps", Code: idl.ErrBusy}, &out); err != nil || out.String() != "fault 1: fail\n" {
		t.Fatalf("%q, %v", out.String(), err)
	}
	m := dial(t, d.Clusters[1].MetaServers[0])
	list := func() idl.ErrorCode {
		return m.try(idl.RequestHeader{}, idl.NameListApps, &idl.ListAppsRequest{}, &idl.ListAppsResponse{})
	}
	if got := list(); got != idl.ErrBusy {
		t.Errorf("with the fault: %s", string(got))
	}
	out.Reset()
	if err := r.Faults(t.Context(), "b", &out); err != nil || !strings.Contains(out.String(), `"1":{"kind":"fail"`) {
		t.Errorf("%q, %v", out.String(), err)
	}
	if err := r.Clear(t.Context(), "b", 1); err != nil {
		t.Fatal(err)
	}
	if got := list(); got != idl.ErrOK {
		t.Errorf("without it: %s", string(got))
	}
}

func TestGenerate(t *testing.T) {
	collect := func(spec LoadSpec) (rows []Row) {
		seq, err := Generate(spec)
		if err != nil {
			t.Fatal(err)
		}
		for r := range seq {
			rows = append(rows, Row{Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Expire: r.Expire})
		}
		return rows
	}
	spec := LoadSpec{Rows: 1000, ValueSize: 33, MinSortKeys: 1, MaxSortKeys: 50, TTLShare: 0.25, Seed: 7}
	rows := collect(spec)
	groups, expiring := map[string]int{}, 0
	seen := map[string]bool{}
	for _, r := range rows {
		hashKey, _, err := pegkey.Decode(r.Key)
		if err != nil {
			t.Fatal(err)
		}
		groups[string(hashKey)]++
		seen[string(r.Key)] = true
		if r.Expire > 0 {
			expiring++
			if r.Expire < pegkey.ExpireTs(time.Now().AddDate(5, 0, 0)) || r.Expire > 1<<31-1 {
				t.Errorf("expiry %v", pegkey.ExpireAt(r.Expire))
			}
		}
		if len(r.Value) != 33 {
			t.Errorf("value of %d bytes", len(r.Value))
		}
	}
	if len(seen) != 1000 || expiring < 200 || expiring > 300 || len(groups) < 20 || len(groups) > 100 {
		t.Errorf("%d keys, %d expiring, %d hash keys", len(seen), expiring, len(groups))
	}
	spec.Seed = 8
	other := collect(spec)
	if !bytes.Equal(other[5].Key, rows[5].Key) || bytes.Equal(other[5].Value, rows[5].Value) {
		t.Error("another seed must change values and keep keys")
	}
	for n, want := range map[int]int{1: 1, 10: 10} {
		if got := sortKeysOf(LoadSpec{MinSortKeys: n, MaxSortKeys: n}, 3); got != want {
			t.Errorf("%d sort keys, want %d", got, want)
		}
	}
}

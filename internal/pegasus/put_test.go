package pegasus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// row makes a row with a hash key.
func row(hashKey, value string) Row {
	return Row{Key: pegkey.Encode(nil, []byte(hashKey), []byte("s")), Value: []byte(value)}
}

// putWait writes one row and waits for its outcome.
func putWait(t *testing.T, tab *Table, r Row, opts PutOptions) error {
	t.Helper()
	done := make(chan error, 1)
	tab.Put(r, opts, func(err error) { done <- err })
	return receive(t, done)
}

// retries collects the reasons of repetitions.
type retries struct {
	mu   sync.Mutex
	list []Retry
}

func (r *retries) add(x Retry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, x)
}

func (r *retries) reasons() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, x := range r.list {
		out = append(out, x.Reason)
	}
	return strings.Join(out, ",")
}

func TestRowsGoWhereTheirHashSays(t *testing.T) {
	k := newCluster(t, 1, 3, 5) // a count that is no power of two
	tab := k.table()
	if tab.Name() != "orders" || tab.ID() != 7 || tab.PartitionCount() != 5 || tab.Primary(1) != k.nodes[1].addr || tab.Primary(9) != "" {
		t.Error("the table does not know itself")
	}
	rows := []Row{{Key: pegkey.Encode(nil, nil, []byte("only a sort key")), Value: []byte("v"), Expire: 5}}
	for i := range 100 {
		rows = append(rows, row(fmt.Sprint("key", i), fmt.Sprint(i)))
	}
	for _, r := range rows {
		if err := putWait(t, tab, r, PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range rows {
		p := pegkey.Partition(pegkey.HashRaw(r.Key), 5)
		if got, ok := k.rows[p][string(r.Key)]; !ok || !bytes.Equal(got.Value, r.Value) || got.Expire != r.Expire {
			t.Errorf("%q is not in partition %d: %v", r.Key, p, got)
		}
		if v, found, err := tab.Get(t.Context(), r.Key); err != nil || !found || !bytes.Equal(v, r.Value) {
			t.Errorf("get %q: %q %v %v", r.Key, v, found, err)
		}
	}
	if _, has, err := tab.TTL(t.Context(), rows[0].Key); !has || err != nil {
		t.Error(has, err)
	}
	if _, has, err := tab.TTL(t.Context(), rows[1].Key); has || err != nil {
		t.Error(has, err)
	}
	if err := tab.Remove(t.Context(), rows[0].Key); err != nil {
		t.Error(err)
	}
	if _, found, err := tab.Get(t.Context(), rows[0].Key); found || err != nil {
		t.Error(found, err)
	}
	if err := putWait(t, tab, Row{Key: []byte{0}}, PutOptions{}); !errors.Is(err, pegkey.ErrMalformedKey) {
		t.Error(err)
	}
}

func TestMultiPut(t *testing.T) {
	k := newCluster(t, 1, 2, 4)
	tab := k.table()
	kvs := []KV{{[]byte("a"), []byte("1")}, {[]byte("b"), nil}}
	done := make(chan error, 2)
	tab.MultiPut([]byte("h"), kvs, 77, PutOptions{}, func(err error) { done <- err })
	if err := receive(t, done); err != nil {
		t.Fatal(err)
	}
	p := pegkey.Partition(pegkey.Hash([]byte("h"), nil), 4)
	if got := k.rows[p][string(pegkey.Encode(nil, []byte("h"), []byte("a")))]; string(got.Value) != "1" || got.Expire != 77 {
		t.Errorf("got %v", got)
	}
	tab.MultiPut(nil, kvs, 0, PutOptions{}, func(err error) { done <- err })
	if err := receive(t, done); !errors.Is(err, errEmptyHashKey) {
		t.Errorf("got %v", err)
	}
}

func TestPutRetries(t *testing.T) {
	code := func(c idl.ErrorCode) func(*request) { return func(r *request) { r.fail(c) } }
	status := func(s idl.Status) func(*request) {
		return func(r *request) { r.reply(&idl.UpdateResponse{Error: s}) }
	}
	for reason, answer := range map[string]func(*request){
		"ERR_BUSY":                     code(idl.ErrBusy),
		"ERR_CAPACITY_EXCEEDED":        code(idl.ErrCapacityExceeded),
		"ERR_NOT_ENOUGH_MEMBER":        code(idl.ErrNotEnoughMember),
		"ERR_DISK_INSUFFICIENT":        code(idl.ErrDiskInsufficient),
		"ERR_TIMEOUT":                  code(idl.ErrTimeout),
		"ERR_OPERATION_DISABLED":       code(idl.ErrOperationDisabled),
		"ERR_INVALID_STATE":            code(idl.ErrInvalidState),
		"ERR_INACTIVE_STATE":           code(idl.ErrInactiveState),
		"ERR_OBJECT_NOT_FOUND":         code(idl.ErrObjectNotFound),
		"ERR_PARENT_PARTITION_MISUSED": code(idl.ErrParentPartitionMisused),
		"ERR_FROM_THE_FUTURE":          code("ERR_FROM_THE_FUTURE"),
		"Busy":                         status(idl.StatusBusy),
		"TryAgain":                     status(idl.StatusTryAgain),
		"IOError":                      status(idl.StatusIOError),
		"timeout":                      func(*request) {},
		"connection":                   func(r *request) { _ = r.conn.Close() },
	} {
		t.Run(reason, func(t *testing.T) {
			k := newCluster(t, 1, 1, 1)
			tab := k.table(func(c *Config) {
				if c.RPCTimeout = 5 * time.Second; reason == reasonTimeout {
					c.RPCTimeout = 100 * time.Millisecond
				}
			})
			var n atomic.Int32
			k.set(func() {
				k.hook = func(r *request) bool {
					if r.Name != idl.NamePut || n.Add(1) > 2 {
						return false
					}
					answer(r)
					return true
				}
			})
			var seen retries
			if err := putWait(t, tab, row("k", "v"), PutOptions{OnRetry: seen.add}); err != nil {
				t.Fatal(err)
			}
			if got := seen.reasons(); !strings.HasPrefix(got, reason+","+reason) {
				t.Errorf("reasons: %s", got)
			}
			if x := seen.list[0]; x.Op != "put" || x.Addr != k.nodes[0].addr || x.Attempt != 1 || x.Pause <= 0 || x.Err == nil {
				t.Errorf("%+v", x)
			}
		})
	}
}

func TestPutErrorsThatEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func(*request)
		want   string
	}{
		"too large": {func(r *request) { r.fail(idl.ErrInvalidData) },
			`ERR_INVALID_DATA (row with hash key "big" and sort key "s" has 6 bytes of key and 1 of value; see max_allowed_write_size`},
		"acl":        {func(r *request) { r.fail(idl.ErrACLDeny) }, "wants authentication"},
		"splitting":  {func(r *request) { r.fail(idl.ErrSplitting) }, "being split"},
		"corruption": {func(r *request) { r.reply(&idl.UpdateResponse{Error: idl.StatusCorruption}) }, "Corruption"},
		"unreadable": {func(r *request) { r.reply(&idl.BlobRequest{Key: []byte{0, 1}}) }, "unreadable reply"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, 1, 1, 1)
			tab := k.table()
			k.set(func() {
				k.hook = func(r *request) bool {
					if r.Name == idl.NamePut {
						tc.answer(r)
					}
					return r.Name == idl.NamePut
				}
			})
			var seen retries
			err := putWait(t, tab, row("big", "v"), PutOptions{OnRetry: seen.add})
			var oe *OpError
			if !errors.As(err, &oe) || !strings.Contains(err.Error(), tc.want) || seen.reasons() != "" {
				t.Fatalf("got %v after %q", err, seen.reasons())
			}
		})
	}
}

func TestPutFollowsThePrimary(t *testing.T) {
	k := newCluster(t, 1, 2, 1)
	tab := k.table()
	if err := putWait(t, tab, row("a", "1"), PutOptions{}); err != nil {
		t.Fatal(err)
	}
	k.set(func() { k.primary[0], k.ballot[0] = -1, 4 }) // nobody at first
	var seen retries
	done := make(chan error, 1)
	tab.Put(row("b", "2"), PutOptions{OnRetry: seen.add}, func(err error) { done <- err })
	eventually(t, "the put waits for a primary", func() bool { return strings.Contains(seen.reasons(), "no primary") })
	k.set(func() { k.primary[0], k.ballot[0] = 1, 5 })
	if err := receive(t, done); err != nil {
		t.Fatal(err)
	}
	if n := k.nodes[1].count(idl.NamePut); n != 1 {
		t.Errorf("the new primary got %d puts", n)
	}
	if b := tab.Ballots(); len(b) != 1 || b[0] != 5 {
		t.Errorf("ballots %v", b)
	}
}

func TestOlderConfigurationIsIgnored(t *testing.T) {
	k := newCluster(t, 1, 2, 1)
	k.ballot[0], k.primary[0] = 9, 1
	tab := k.table()
	k.set(func() { k.ballot[0], k.primary[0] = 8, 0 })
	if err := tab.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if tab.Primary(0) != k.nodes[1].addr {
		t.Error("a stale meta moved the primary back")
	}
}

func TestFencedTableSaysSoAfterTheDeadline(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	tab := k.table()
	k.set(func() {
		k.hook = func(r *request) bool {
			if r.Name == idl.NamePut {
				r.fail(idl.ErrInvalidState)
			}
			return r.Name == idl.NamePut
		}
	})
	err := putWait(t, tab, row("k", "v"), PutOptions{Deadline: time.Now().Add(200 * time.Millisecond)})
	if !errors.Is(err, idl.ErrInvalidState) || !strings.Contains(err.Error(), "replica.deny_client_request") {
		t.Fatalf("got %v", err)
	}
	// A refresh per attempt would be a storm once thousands of rows wait.
	if n := k.metas[0].count(idl.NameQueryConfig); n > 15 {
		t.Errorf("%d requests to the meta in 200 ms", n)
	}
}

func TestTableThatChangesUnderUsIsAnError(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(k *cluster)
		want   string
	}{
		"created again": {func(k *cluster) { k.appID = 8 }, "its id was 7 and is now 8"},
		"split":         {func(k *cluster) { k.count = 4 }, "had 2 partitions and now has 4"},
		"dropped": {func(k *cluster) {
			k.hook = func(r *request) bool {
				if r.Name == idl.NameQueryConfig {
					r.reply(&idl.QueryConfigResponse{Err: idl.ErrObjectNotFound})
				} else {
					r.fail(idl.ErrObjectNotFound)
				}
				return true
			}
		}, "no longer serves it"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, 1, 1, 2)
			tab := k.table()
			k.set(func() {
				tc.change(k)
				k.primary[0], k.primary[1] = -1, -1
			})
			err := putWait(t, tab, row("k", "v"), PutOptions{})
			var tce *TableChangedError
			if !errors.As(err, &tce) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v", err)
			}
			if _, _, err := tab.Get(t.Context(), row("k", "").Key); !errors.As(err, &tce) {
				t.Errorf("get: %v", err)
			}
			if _, err := tab.NewScan(ScanSpec{}).Next(t.Context()); !errors.As(err, &tce) {
				t.Errorf("scan: %v", err)
			}
		})
	}
}

func TestCloseEndsPutsThatWait(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	c := k.open()
	tab, err := c.OpenTable(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan bool, 100)
	k.set(func() {
		k.hook = func(r *request) bool {
			if r.Name != idl.NamePut {
				return false
			}
			if bytes.Contains(r.Args, []byte("busy")) {
				r.fail(idl.ErrBusy)
			}
			arrived <- true
			return true
		}
	})
	done := make(chan error, 2)
	tab.Put(row("silent", "v"), PutOptions{}, func(err error) { done <- err })
	tab.Put(row("busy", "v"), PutOptions{}, func(err error) { done <- err })
	receive(t, arrived)
	receive(t, arrived)
	c.Close()
	for range 2 {
		if err := receive(t, done); !shut(err) {
			t.Errorf("got %v", err)
		}
	}
	if err := putWait(t, tab, row("late", "v"), PutOptions{}); !shut(err) {
		t.Errorf("after Close: %v", err)
	}
}

// counter is an Acker for many rows.
type counter struct {
	left atomic.Int64
	tags atomic.Uint64
	errs atomic.Int64
	done chan struct{}
}

func (c *counter) Acked(tag uint64, err error) {
	if err != nil {
		c.errs.Add(1)
	}
	c.tags.Add(tag)
	if c.left.Add(-1) == 0 {
		close(c.done)
	}
}

func TestSendManyWithFaults(t *testing.T) {
	k := newCluster(t, 1, 3, 8)
	tab := k.table(func(c *Config) { c.RPCTimeout = 200 * time.Millisecond })
	var n atomic.Int32
	k.set(func() {
		k.hook = func(r *request) bool {
			if r.RPC.Kind != idl.KindReplica {
				return false
			}
			switch i := n.Add(1); {
			case i%97 == 0:
				r.fail(idl.ErrBusy)
			case i%101 == 0: // dropped reply
			case i%997 == 0:
				_ = r.conn.Close()
			default:
				return false
			}
			return true
		}
	})
	const rows = 5000
	acks := &counter{done: make(chan struct{})}
	acks.left.Store(rows)
	opts := PutOptions{Deadline: time.Now().Add(15 * time.Second)}
	for i := range rows {
		tab.Send(t.Context(), row(fmt.Sprint("k", i), fmt.Sprint(i)), &opts, acks, uint64(i))
		if i%500 == 0 {
			k.set(func() { p := i / 500 % 8; k.primary[p], k.ballot[p] = (k.primary[p]+1)%3, k.ballot[p]+1 })
		}
	}
	receive(t, acks.done)
	if acks.errs.Load() != 0 || acks.tags.Load() != rows*(rows-1)/2 {
		t.Errorf("%d errors, tag sum %d", acks.errs.Load(), acks.tags.Load())
	}
	total := 0
	k.set(func() {
		for _, m := range k.rows {
			total += len(m)
		}
	})
	if total != rows {
		t.Errorf("%d of %d rows arrived", total, rows)
	}
}

func TestProbeFence(t *testing.T) {
	k := newCluster(t, 1, 2, 4)
	tab := k.table(func(c *Config) { c.RPCTimeout = 500 * time.Millisecond })
	key := pegkey.Encode(nil, pegkey.ProbeKey("probe", 2, 4), nil)
	other := pegkey.Encode(nil, pegkey.ProbeKey("probe", 1, 4), nil)
	probe := func() (ProbeResult, error) { return tab.ProbeFence(t.Context(), 2, key) }
	if res, err := probe(); err != nil || res.Code != idl.ErrOK || res.Primary != k.nodes[0].addr || res.Ballot != 3 {
		t.Fatalf("%+v %v", res, err)
	}
	if _, err := tab.ProbeFence(t.Context(), 2, other); err == nil {
		t.Error("a key of another partition was sent")
	}
	var answer atomic.Value
	answer.Store(func(r *request) { r.fail(idl.ErrInvalidState) })
	k.set(func() {
		k.hook = func(r *request) bool {
			if r.Name == idl.NameRemove {
				answer.Load().(func(*request))(r)
			}
			return r.Name == idl.NameRemove
		}
	})
	before := k.nodes[0].count(idl.NameRemove)
	if res, err := probe(); err != nil || res.Code != idl.ErrInvalidState || res.TimedOut {
		t.Fatalf("%+v %v", res, err)
	}
	if n := k.nodes[0].count(idl.NameRemove) - before; n != 1 {
		t.Errorf("sent %d times", n)
	}
	answer.Store(func(*request) {})
	if res, err := probe(); err != nil || !res.TimedOut || res.Code != "" {
		t.Fatalf("%+v %v", res, err)
	}
	answer.Store(func(r *request) { _ = r.conn.Close() })
	if _, err := probe(); err == nil {
		t.Error("a lost connection is no answer")
	}
	k.set(func() { k.primary[2], k.ballot[2] = -1, 9 })
	eventually(t, "the loss of the primary shows", func() bool {
		_, err := probe()
		return errors.Is(err, errNoPrimary)
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := tab.Get(ctx, key); !errors.Is(err, context.Canceled) {
		t.Errorf("get with a cancelled context: %v", err)
	}
}

package pegasus

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// conditions answers check_and_set as a server does, and notes the writes in the order of arrival.
type conditions struct {
	k    *cluster
	mu   sync.Mutex
	seen []string
	// lose makes the answers of the first so many check_and_sets get lost after they took effect.
	lose int
	// refuse answers them with ERR_OPERATION_DISABLED.
	refuse bool
}

func (c *conditions) hook(r *request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Name {
	case idl.NamePut, idl.NameMultiPut, idl.NameTTL:
		c.seen = append(c.seen, r.Name)
		return false
	case idl.NameCheckAndSet:
		c.seen = append(c.seen, r.Name)
	default:
		return false
	}
	if c.refuse {
		r.fail(idl.ErrOperationDisabled)
		return true
	}
	m := args[idl.CheckAndSetRequest](r)
	raw := pegkey.Encode(nil, m.HashKey, m.CheckSortKey)
	c.k.mu.Lock()
	defer c.k.mu.Unlock()
	rows := c.k.rows[pegkey.Partition(pegkey.HashRaw(raw), c.k.count)]
	resp := &idl.CheckAndSetResponse{}
	if old, there := rows[string(raw)]; there {
		resp.Error = idl.StatusTryAgain
		if m.ReturnCheckValue {
			resp.CheckValueReturned, resp.CheckValueExist, resp.CheckValue = true, true, old.Value
		}
	} else {
		rows[string(raw)] = Row{Key: raw, Value: slices.Clone(m.SetValue), Expire: uint32(m.SetExpireTsSeconds)}
	}
	if c.lose > 0 {
		c.lose--
		return true // the connection stays silent
	}
	r.reply(resp)
	return true
}

func newConditions(t *testing.T) (*conditions, *Table) {
	k := newCluster(t, 1, 1, 2)
	c := &conditions{k: k}
	k.set(func() { k.hook = c.hook })
	return c, k.table()
}

// at is what the table holds under a key.
func (c *conditions) at(key []byte) Row {
	c.k.mu.Lock()
	defer c.k.mu.Unlock()
	return c.k.rows[pegkey.Partition(pegkey.HashRaw(key), c.k.count)][string(key)]
}

// A row that is there stays, and its write ends with ErrKept; one that is not there is written. Without a
// hash key, or when told so, existence is asked for first.
func TestPutKeepsWhatIsThere(t *testing.T) {
	bare := Row{Key: pegkey.Encode(nil, nil, []byte("only a sort key")), Value: []byte("new")}
	for name, tc := range map[string]struct {
		how   Overwrite
		row   Row
		there bool
		want  string // requests
	}{
		"atomic, absent":     {OverwriteNever, row("k", "new"), false, idl.NameCheckAndSet},
		"atomic, there":      {OverwriteNever, row("k", "new"), true, idl.NameCheckAndSet},
		"no hash, absent":    {OverwriteNever, bare, false, idl.NameTTL + "," + idl.NamePut},
		"no hash, there":     {OverwriteNever, bare, true, idl.NameTTL},
		"two steps, absent":  {OverwriteNeverUnatomic, row("k", "new"), false, idl.NameTTL + "," + idl.NamePut},
		"two steps, there":   {OverwriteNeverUnatomic, row("k", "new"), true, idl.NameTTL},
		"overwrite, absent":  {OverwriteAlways, row("k", "new"), false, idl.NamePut},
		"overwrite, present": {OverwriteAlways, row("k", "new"), true, idl.NamePut},
	} {
		t.Run(name, func(t *testing.T) {
			c, tab := newConditions(t)
			r := tc.row
			r.Expire = 99
			if tc.there {
				c.k.fill(int(pegkey.Partition(pegkey.HashRaw(r.Key), 2)), Row{Key: r.Key, Value: []byte("old"), Expire: 7})
			}
			err := putWait(t, tab, r, PutOptions{Overwrite: tc.how})
			keeps := tc.there && tc.how != OverwriteAlways
			if keeps != (err == ErrKept) || !keeps && err != nil {
				t.Errorf("got %v", err)
			}
			want := Row{Value: []byte("new"), Expire: 99}
			if keeps {
				want = Row{Value: []byte("old"), Expire: 7}
			}
			if got := c.at(r.Key); string(got.Value) != string(want.Value) || got.Expire != want.Expire {
				t.Errorf("the table has %q, expiry %d", got.Value, got.Expire)
			}
			if got := strings.Join(c.seen, ","); got != tc.want {
				t.Errorf("sent %s, want %s", got, tc.want)
			}
			// The next write of the pooled operation is a plain one again.
			if err := putWait(t, tab, row("other", "v"), PutOptions{}); err != nil || string(c.at(row("other", "").Key).Value) != "v" {
				t.Error(err)
			}
		})
	}
}

// A check whose answer was lost meets its own row the next time, which is not one that was there.
func TestPutKnowsItsOwnRow(t *testing.T) {
	c, tab := newConditions(t)
	c.lose = 1
	r := row("k", "mine")
	if err := putWait(t, tab, r, PutOptions{Overwrite: OverwriteNever, Timeout: 100 * time.Millisecond}); err != nil {
		t.Errorf("got %v", err)
	}
	c.mu.Lock()
	c.lose = 1
	c.mu.Unlock()
	if err := putWait(t, tab, row("k", "another"), PutOptions{Overwrite: OverwriteNever, Timeout: 100 * time.Millisecond}); err != ErrKept {
		t.Errorf("got %v", err)
	}
	if got := c.at(r.Key); string(got.Value) != "mine" || len(c.seen) != 4 {
		t.Errorf("the table has %q after %d requests", got.Value, len(c.seen))
	}
}

// A table that takes no conditions is told at once: waiting does not help.
func TestPutOnATableThatRefusesConditions(t *testing.T) {
	c, tab := newConditions(t)
	c.refuse = true
	var seen retries
	err := putWait(t, tab, row("k", "v"), PutOptions{Overwrite: OverwriteNever, OnRetry: seen.add})
	var oe *OpError
	if !errors.As(err, &oe) || oe.Op != "check_and_set" || oe.Detail != refusedCondition || seen.reasons() != "" {
		t.Errorf("got %v after %q", err, seen.reasons())
	}
	done := make(chan error, 1)
	tab.MultiPut([]byte("h"), []KV{{[]byte("a"), nil}}, 0, PutOptions{Overwrite: OverwriteNever}, func(err error) { done <- err })
	if err := receive(t, done); !errors.Is(err, errMultiOverwrites) {
		t.Errorf("got %v", err)
	}
}

// What a scan asks for: where it ends, and which keys.
func TestScanAsksForARange(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	k.fill(0, rowsOf(3, 1)...)
	tab := k.table()
	through := row("key000001", "").Key
	s := tab.NewScan(ScanSpec{Through: through, HashKey: KeyFilter{Type: idl.FilterPrefix, Pattern: []byte("key")},
		SortKey: KeyFilter{Type: idl.FilterPostfix, Pattern: []byte("s")}, NoValue: true})
	if _, err := readAll(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	got := k.opened[0]
	if string(got.StopKey) != string(through) || !got.StopInclusive || !got.NoValue || got.HashKeyFilterType != idl.FilterPrefix ||
		string(got.HashKeyFilterPattern) != "key" || got.SortKeyFilterType != idl.FilterPostfix || string(got.SortKeyFilterPattern) != "s" {
		t.Errorf("%+v", got)
	}
}

package sandbox

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/apache/incubator-pegasus/go-client/pegasus"
)

func TestGoClientRows(t *testing.T) {
	g := openGoTable(t, 8)
	allBytes := make([]byte, 256)
	for i := range allBytes {
		allBytes[i] = byte(i)
	}
	for _, row := range [][3]string{
		{"user", "a", "1"},
		{"user", "", "empty sort key"},
		{"user", "empty value", ""},
		{"\x00", "\x00", "\x00"},
		{"\xff\xff\xff", "\xff\xff", "\xff"},
		{string(allBytes), string(allBytes), string(allBytes)},
		{string(bytes.Repeat([]byte("h"), 60000)), "long hash key", "v"},
		{"long value", "", string(bytes.Repeat(allBytes, 3000))},
	} {
		g.wants(row[0], row[1], "-")
		g.set(row[0], row[1], row[2])
		g.wants(row[0], row[1], row[2])
	}
	g.set("user", "a", "2")
	g.wants("user", "a", "2")
	g.must(g.Del(g.ctx(), []byte("user"), []byte("a")))
	g.wants("user", "a", "-")
	g.must(g.Del(g.ctx(), []byte("user"), []byte("a"))) // deleting nothing is no error
	g.wants("user", "", "empty sort key")
	if n, err := g.c.Count("apache"); err != nil || n != 7 {
		t.Errorf("the cluster has %d rows, error %v", n, err)
	}
}

func TestGoClientExpiry(t *testing.T) {
	g := openGoTable(t, 4)
	g.set("k", "forever", "v")
	g.must(g.SetTTL(g.ctx(), []byte("k"), []byte("short"), []byte("v"), time.Minute))
	g.must(g.MultiSetOpt(g.ctx(), []byte("k"), [][]byte{[]byte("m1"), []byte("m2")}, [][]byte{{}, []byte("v")}, time.Hour))
	ttl := func(sortKey string, low, high int) {
		t.Helper()
		seconds, err := g.TTL(g.ctx(), []byte("k"), []byte(sortKey))
		g.must(err)
		if seconds < low || seconds > high {
			t.Errorf("%s has %d s left, want %d to %d", sortKey, seconds, low, high)
		}
		exists, err := g.Exist(g.ctx(), []byte("k"), []byte(sortKey))
		g.must(err)
		if exists != (low != -2) {
			t.Errorf("%s exists: %v", sortKey, exists)
		}
	}
	ttl("forever", -1, -1)
	ttl("absent", -2, -2)
	ttl("short", 50, 60)
	ttl("m1", 3590, 3600)

	g.clock.forward(61 * time.Second)
	ttl("short", -2, -2)
	g.wants("k", "short", "-")
	g.wants("k", "m2", "v")
	if n, err := g.SortKeyCount(g.ctx(), []byte("k")); err != nil || n != 3 {
		t.Errorf("%d sort keys, error %v; expired rows do not count", n, err)
	}
	g.clock.forward(time.Hour)
	kvs, all, err := g.MultiGet(g.ctx(), []byte("k"), nil)
	g.must(err)
	if len(kvs) != 1 || !all || string(kvs[0].SortKey) != "forever" {
		t.Errorf("%d rows are left, all %v", len(kvs), all)
	}
	// What has expired can be written again.
	g.set("k", "short", "again")
	ttl("short", -1, -1)
}

func TestGoClientIncr(t *testing.T) {
	g := openGoTable(t, 4)
	for _, step := range []struct{ by, want int64 }{{5, 5}, {-7, -2}, {0, -2}, {1 << 62, 1<<62 - 2}} {
		got, err := g.Incr(g.ctx(), []byte("counter"), []byte("n"), step.by)
		g.must(err)
		if got != step.want {
			t.Errorf("incr by %d gives %d, want %d", step.by, got, step.want)
		}
	}
	g.wants("counter", "n", "4611686018427387902")
	// The client repeats what the server calls an invalid argument until time is up.
	g.set("counter", "text", "seven")
	for _, bad := range []string{"text", "n"} {
		if got, err := g.Incr(deadline(t, 50*time.Millisecond), []byte("counter"), []byte(bad), 1<<62+2); err == nil {
			t.Errorf("incr of %s gives %d", bad, got)
		}
	}
	g.wants("counter", "text", "seven")
	g.wants("counter", "n", "4611686018427387902")
}

func TestGoClientBatchGet(t *testing.T) {
	g := openGoTable(t, 8)
	var keys []pegasus.CompositeKey
	for i := range 40 {
		hashKey := fmt.Sprintf("user%02d", i)
		if i%4 != 0 {
			g.set(hashKey, "s", "value "+hashKey)
		}
		keys = append(keys, pegasus.CompositeKey{HashKey: []byte(hashKey), SortKey: []byte("s")})
	}
	values, err := g.BatchGet(g.ctx(), keys)
	g.must(err)
	for i, v := range values {
		want := "value " + string(keys[i].HashKey)
		if i%4 == 0 {
			want = ""
		}
		if string(v) != want || (v == nil) != (i%4 == 0) {
			t.Errorf("%s: %q, want %q", keys[i].HashKey, v, want)
		}
	}
}

// TestGoClientTooLarge: facts 14.5. The server answers ERR_INVALID_DATA, which the
// client takes for something that passes.
func TestGoClientTooLarge(t *testing.T) {
	g := openGoTable(t, 4)
	if err := g.Set(deadline(t, 100*time.Millisecond), []byte("big"), []byte("k"), make([]byte, maxWriteSize)); err == nil {
		t.Error("a put of more than max_allowed_write_size succeeds")
	}
	g.wants("big", "k", "-")
	g.set("big", "k", string(make([]byte, maxWriteSize-200)))
}

// TestGoClientFollowsPrimary: a request to the former primary is refused with
// ERR_INVALID_STATE, and the client finds the new one by itself.
func TestGoClientFollowsPrimary(t *testing.T) {
	g := openGoTable(t, 2)
	g.set("moving", "s", "before")
	for p := range 2 {
		g.must(g.c.MovePrimary("apache", p))
	}
	healthy(t, g.c, "apache")
	if value, err := g.Get(deadline(t, 50*time.Millisecond), []byte("moving"), []byte("s")); err == nil {
		t.Errorf("the former primary answers %q", value)
	}
	until(t, "the client finds the new primary", func() bool {
		value, err := g.Get(deadline(t, 200*time.Millisecond), []byte("moving"), []byte("s"))
		return err == nil && string(value) == "before"
	})
	g.set("moving", "s", "after")
	g.wants("moving", "s", "after")
}

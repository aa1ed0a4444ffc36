package blobstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/blobstore/hdfstest"
)

func openTest(t *testing.T, c *hdfstest.Cluster, change func(*HDFSOptions)) *HDFS {
	t.Helper()
	o := HDFSOptions{NameNodes: c.NameNodes(), SpoolDir: t.TempDir()}
	if change != nil {
		change(&o)
	}
	h, err := OpenHDFS(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func mustMkdir(t *testing.T, s Store, dir string) {
	t.Helper()
	if err := s.MkdirAll(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
}

// within fails when a call takes longer; a real cluster on a busy machine needs room.
func within(t *testing.T, limit time.Duration, what string, f func() error) error {
	t.Helper()
	start := time.Now()
	err := f()
	if took := time.Since(start); took > limit {
		t.Fatalf("%s took %v, more than %v: %v", what, took, limit, err)
	}
	return err
}

// TestHDFS runs against real daemons of Hadoop: scripts/hdfs.sh. What disturbs the cluster most comes last.
func TestHDFS(t *testing.T) {
	c := hdfstest.Start(t, 2)
	t.Run("does what a store does", func(t *testing.T) {
		h := openTest(t, c, nil)
		mustMkdir(t, h, "store")
		testStore(t, h, "store")
	})
	t.Run("long listings", func(t *testing.T) { testHDFSListing(t, c) })
	t.Run("root", func(t *testing.T) { testHDFSRoot(t, c) })
	t.Run("blocks", func(t *testing.T) { testHDFSBlocks(t, c) })
	t.Run("permission", func(t *testing.T) { testHDFSPermission(t, c) })
	t.Run("quota", func(t *testing.T) { testHDFSQuota(t, c) })
	t.Run("leftovers", func(t *testing.T) { testHDFSLeftovers(t, c) })
	t.Run("cancelled at any time", func(t *testing.T) { testHDFSCancelled(t, c) })
	t.Run("replaced while it is read", func(t *testing.T) { testHDFSReplaced(t, c) })
	t.Run("lost answers", func(t *testing.T) { testHDFSLostAnswers(t, c) })
	t.Run("renamed twice", func(t *testing.T) { testHDFSRenamedTwice(t, c) })
	t.Run("renamed unseen", func(t *testing.T) { testHDFSRenamedUnseen(t, c) })
	t.Run("safe mode", func(t *testing.T) { testHDFSSafeMode(t, c) })
	t.Run("failover", func(t *testing.T) { testHDFSFailover(t, c) })
	t.Run("hanging name node", func(t *testing.T) { testHDFSHangingNameNode(t, c) })
	t.Run("hanging data nodes", func(t *testing.T) { testHDFSHangingDataNodes(t, c) })
	t.Run("lost data node", func(t *testing.T) { testHDFSLostDataNode(t, c) })
	t.Run("no data node", func(t *testing.T) { testHDFSNoDataNode(t, c) })
	t.Run("no name node", func(t *testing.T) { testHDFSNoNameNode(t, c) })
}

// testHDFSListing: name nodes give a listing in pieces, here of seven entries.
func testHDFSListing(t *testing.T, c *hdfstest.Cluster) {
	h := openTest(t, c, nil)
	var want []string
	for i := range 36 {
		mustMkdir(t, h, fmt.Sprintf("long/%02d", i))
		want = append(want, fmt.Sprintf("%02d/", i))
	}
	wantNames(t, h, "long", want...)
}

func testHDFSRoot(t *testing.T, c *hdfstest.Cluster) {
	_, err := OpenHDFS(t.Context(), HDFSOptions{NameNodes: c.NameNodes(), Root: "/away"})
	wantCode(t, err, CodeNotFound)
	h := openTest(t, c, func(o *HDFSOptions) { o.NameNodes, o.ConfDir = []string{"hdfs://test/"}, c.ConfDir() })
	mustMkdir(t, h, "rooted/deep")
	mustPut(t, h, "rooted/deep/f", []byte("abc"))
	below := openTest(t, c, func(o *HDFSOptions) { o.Root = "/rooted/" })
	wantContent(t, below, "deep/f", []byte("abc"))
	wantNames(t, below, ".", "deep/")
	_, err = OpenHDFS(t.Context(), HDFSOptions{NameNodes: c.NameNodes(), Root: "/rooted/deep/f"})
	wantCode(t, err, CodeInvalid)
	loc, err := ParseLocation("hdfs://" + strings.Join(c.NameNodes(), ",") + "/rooted/deep/f")
	if err != nil {
		t.Fatal(err)
	}
	s, name, err := loc.Open(t.Context(), 2, HDFSOptions{})
	if err != nil || name != "deep/f" {
		t.Fatalf("%q, %v", name, err)
	}
	defer s.Close()
	wantContent(t, s, name, []byte("abc"))
}

// testHDFSBlocks reads across the borders of blocks, in order and not.
func testHDFSBlocks(t *testing.T, c *hdfstest.Cluster) {
	h := openTest(t, c, nil)
	mustMkdir(t, h, "blocks")
	const block = 1 << 20
	data := noise(7, 3*block+1000)
	mustPut(t, h, "blocks/f", data)
	wantContent(t, h, "blocks/f", data)
	f, err := h.OpenAt(t.Context(), "blocks/f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	random := rand.New(rand.NewPCG(3, 4))
	at := func(off, n int64) {
		p := make([]byte, n)
		if m, err := f.ReadAt(p, off); int64(m) != n || !bytes.Equal(p, data[off:off+n]) {
			t.Fatalf("%d bytes at %d: %d, %v", n, off, m, err)
		}
	}
	for _, off := range []int64{block - 3, 2*block - 1, block, 0, 3 * block} {
		at(off, 600)
	}
	for range 60 { // small steps forward are what the library skips over, large ones and steps back begin anew
		off := random.Int64N(2 * block)
		at(off, 100)
		at(off+200, 1000)
		at(off+2000, block)
	}
}

func testHDFSPermission(t *testing.T, c *hdfstest.Cluster) {
	h := openTest(t, c, nil)
	mustMkdir(t, h, "mine")
	mustPut(t, h, "mine/f", []byte("abc"))
	alice := openTest(t, c, func(o *HDFSOptions) { o.User = "alice" })
	wantContent(t, alice, "mine/f", []byte("abc")) // the servers run as somebody else and have to read it
	for what, f := range map[string]func() error{
		"write":  func() error { _, err := WriteFile(t.Context(), alice, "mine/g", nil); return err },
		"mkdir":  func() error { return alice.MkdirAll(t.Context(), "mine/d") },
		"remove": func() error { return alice.Remove(t.Context(), "mine/f") },
		"all":    func() error { return alice.RemoveAll(t.Context(), "mine") },
	} {
		err := within(t, 20*time.Second, what, f)
		wantCode(t, err, CodePermission)
		if !strings.Contains(err.Error(), `"alice"`) {
			t.Errorf("%s: %v does not say who", what, err)
		}
	}
	wantContent(t, h, "mine/f", []byte("abc"))
}

func testHDFSQuota(t *testing.T, c *hdfstest.Cluster) {
	h := openTest(t, c, nil)
	mustMkdir(t, h, "full")
	c.Admin("-setSpaceQuota", "1m", "/full")
	_, err := WriteFile(t.Context(), h, "full/f", noise(1, 100))
	wantCode(t, err, CodeNoSpace)
	wantNames(t, h, "full")
	c.Admin("-clrSpaceQuota", "/full")
	c.Admin("-setQuota", "2", "/full")
	mustPut(t, h, "full/f", noise(1, 100))
	_, err = WriteFile(t.Context(), h, "full/g", noise(1, 100))
	wantCode(t, err, CodeNoSpace)
	wantCode(t, h.MkdirAll(t.Context(), "full/d"), CodeNoSpace)
}

func testHDFSLeftovers(t *testing.T, c *hdfstest.Cluster) {
	h := openTest(t, c, nil)
	mustMkdir(t, h, "left")
	for _, name := range []string{".f17", ".g17"} {
		_, err := call(t.Context(), h, "create", name, func(s *session) (struct{}, error) {
			return struct{}{}, s.client.CreateEmptyFile("/left/" + name)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	wantNames(t, h, "left")
	mustPut(t, h, "left/f", []byte("x"))
	infos, err := h.readDir(t.Context(), "list", "left")
	if err != nil || len(infos) != 2 || infos[0].Name() != ".g17" || infos[1].Name() != "f" {
		t.Fatalf("%v, %v", infos, err)
	}
}

// testHDFSCancelled ends writers at random moments: the name holds the old content or the new, whole.
func testHDFSCancelled(t *testing.T, c *hdfstest.Cluster) {
	h := openTest(t, c, nil)
	mustMkdir(t, h, "cancelled")
	const size = 3 << 20
	old := noise(0, size)
	mustPut(t, h, "cancelled/f", old)
	start := time.Now()
	mustPut(t, h, "cancelled/f", old)
	usual := time.Since(start)
	ended := 0
	for i := range 15 {
		fresh := noise(uint64(i+1), size+i)
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.Int64N(2*int64(usual)+1)))
		err := within(t, 15*time.Second, "a write whose context ended", func() error {
			_, err := WriteFile(ctx, h, "cancelled/f", fresh)
			return err
		})
		cancel()
		got, readErr := ReadFile(t.Context(), h, "cancelled/f", 2*size)
		switch {
		case readErr != nil:
			t.Fatal(readErr)
		case bytes.Equal(got, fresh):
			old = fresh
		case err == nil || !bytes.Equal(got, old):
			t.Fatalf("round %d: %v, and then %d bytes that are neither the old nor the new ones", i, err, len(got))
		}
		if err != nil {
			wantCode(t, err, CodeTimeout)
			ended++
		}
	}
	t.Logf("%d of 15 writes were ended", ended)
	mustPut(t, h, "cancelled/f", old)
	infos, err := h.readDir(t.Context(), "list", "cancelled")
	if err != nil || len(infos) != 1 {
		t.Fatalf("left: %v, %v", infos, err)
	}
}

func testHDFSReplaced(t *testing.T, c *hdfstest.Cluster) {
	h := openTest(t, c, nil)
	mustMkdir(t, h, "replaced")
	mustPut(t, h, "replaced/f", noise(1, 3<<20))
	f, err := h.OpenAt(t.Context(), "replaced/f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := make([]byte, 100)
	if _, err := f.ReadAt(p, 0); err != nil {
		t.Fatal(err)
	}
	mustPut(t, h, "replaced/f", noise(2, 3<<20))
	f.(*hdfsReader).session.conns.cut(true)
	if _, err := f.ReadAt(p, 2<<20); CodeOf(err) != CodeDamaged {
		t.Fatalf("bytes of two files in one read: %v", err)
	}
}

func testHDFSSafeMode(t *testing.T, c *hdfstest.Cluster) {
	h := openTest(t, c, func(o *HDFSOptions) { o.Call = 2 * time.Second })
	mustMkdir(t, h, "safe")
	mustPut(t, h, "safe/f", []byte("abc"))
	c.Admin("-safemode", "enter")
	err := within(t, 20*time.Second, "mkdir in safe mode", func() error { return h.MkdirAll(t.Context(), "safe/d") })
	wantCode(t, err, CodeSafeMode)
	wantContent(t, h, "safe/f", []byte("abc"))
	c.Admin("-safemode", "leave")
	mustMkdir(t, h, "safe/d")
}

func testHDFSFailover(t *testing.T, c *hdfstest.Cluster) {
	h := openTest(t, c, nil)
	mustMkdir(t, h, "failover")
	data := noise(11, 4<<20)
	mustPut(t, h, "failover/f", data)
	r, err := h.Open(t.Context(), "failover/f", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make([]byte, 100)
	if _, err := io.ReadFull(r, got); err != nil {
		t.Fatal(err)
	}
	w, err := h.Create(t.Context(), "failover/g")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	c.Failover("nn1", "nn2")
	rest, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(slices.Concat(got, rest), data) {
		t.Fatalf("%d bytes, %v", len(rest), err)
	}
	if _, err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	wantContent(t, h, "failover/g", data)
	c.Failover("nn2", "nn1")
	wantContent(t, h, "failover/g", data)
}

func testHDFSHangingNameNode(t *testing.T, c *hdfstest.Cluster) {
	h := openTest(t, c, func(o *HDFSOptions) { o.Deadlines = Deadlines{Call: 6 * time.Second, Try: 2 * time.Second} })
	mustMkdir(t, h, "hang")
	mustPut(t, h, "hang/f", []byte("abc"))
	// The active one hangs and nobody takes over: the call ends in time.
	c.Freeze("nn1")
	err := within(t, 9*time.Second, "stat", func() error { _, err := h.Stat(t.Context(), "hang/f"); return err })
	if code := CodeOf(err); code != CodeTimeout && code != CodeConnection {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	err = within(t, 2*time.Second, "a stat that is cancelled", func() error { _, err := h.Stat(ctx, "hang/f"); return err })
	wantCode(t, err, CodeCanceled)
	c.Thaw("nn1")
	wantContent(t, h, "hang/f", []byte("abc"))
	// A standby that hangs, and is asked first, costs one try.
	c.Freeze("nn2")
	h.sessions.prefer(c.NameNodes()[1], true)
	for _, s := range h.sessions.idle {
		s.conns.breakDown()
	}
	if err := within(t, 9*time.Second, "stat", func() error { _, err := h.Stat(t.Context(), "hang/f"); return err }); err != nil {
		t.Fatal(err)
	}
	if err := within(t, time.Second, "the next stat", func() error { _, err := h.Stat(t.Context(), "hang/f"); return err }); err != nil {
		t.Fatal(err)
	}
	c.Thaw("nn2")
}

func testHDFSHangingDataNodes(t *testing.T, c *hdfstest.Cluster) {
	h := openTest(t, c, func(o *HDFSOptions) { o.Stall = 4 * time.Second })
	mustMkdir(t, h, "stall")
	mustPut(t, h, "stall/f", noise(1, 8<<20))
	r, err := h.Open(t.Context(), "stall/f", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c.Freeze("dn1", "dn2")
	err = within(t, 30*time.Second, "a read", func() error { _, err := io.Copy(io.Discard, r); return err })
	if code := CodeOf(err); code != CodeTimeout && code != CodeConnection {
		t.Fatalf("a read: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = within(t, 30*time.Second, "a write", func() error { _, err := WriteFile(ctx, h, "stall/g", noise(2, 1<<20)); return err })
	if code := CodeOf(err); code != CodeTimeout && code != CodeConnection && code != CodeNoSpace {
		t.Fatalf("a write: %v", err)
	}
	c.Thaw("dn1", "dn2")
	wantContent(t, h, "stall/f", noise(1, 8<<20))
}

func testHDFSLostDataNode(t *testing.T, c *hdfstest.Cluster) {
	h := openTest(t, c, nil)
	mustMkdir(t, h, "lost")
	data := noise(21, 8<<20)
	mustPut(t, h, "lost/f", data)
	c.Replicate("/lost/f", 2) // the test before froze both data nodes, and may have left one of them dead to the name node
	r, err := h.Open(t.Context(), "lost/f", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make([]byte, 1<<20)
	if _, err := io.ReadFull(r, got); err != nil {
		t.Fatal(err)
	}
	c.Kill("dn1")
	rest, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(slices.Concat(got, rest), data) {
		t.Fatalf("%d bytes, %v", len(rest), err)
	}
	// The name node offers the dead one for some seconds; the tries go on that long.
	mustPut(t, h, "lost/g", data)
	wantContent(t, h, "lost/g", data)
}

// testHDFSNoDataNode: nobody takes a block, which is not the same as no room.
func testHDFSNoDataNode(t *testing.T, c *hdfstest.Cluster) {
	h := openTest(t, c, nil)
	mustMkdir(t, h, "nobody")
	c.Kill("dn2")
	err := within(t, 2*time.Minute, "a write", func() error { _, err := WriteFile(t.Context(), h, "nobody/f", []byte("abc")); return err })
	if code := CodeOf(err); code != CodeNoSpace && code != CodeConnection {
		t.Fatal(err)
	}
	wantNames(t, h, "nobody")
	mustPut(t, h, "nobody/empty", nil) // has no block
	c.Restart("dn1")
	c.Restart("dn2")
}

func testHDFSNoNameNode(t *testing.T, c *hdfstest.Cluster) {
	h := openTest(t, c, func(o *HDFSOptions) { o.Call = 3 * time.Second })
	c.Kill("nn1")
	c.Kill("nn2")
	err := within(t, 10*time.Second, "stat", func() error { _, err := h.Stat(t.Context(), "lost"); return err })
	wantCode(t, err, CodeConnection)
	err = within(t, 10*time.Second, "open", func() error {
		_, err := OpenHDFS(t.Context(), HDFSOptions{NameNodes: c.NameNodes(), Deadlines: Deadlines{Call: 3 * time.Second}})
		return err
	})
	wantCode(t, err, CodeConnection)
}

// TestHDFSServerThatIsNone: a port that is no name node's, or says nothing at all.
func TestHDFSServerThatIsNone(t *testing.T) {
	for name, talk := range map[string]func(net.Conn){
		// A reply to call 5 with status 2, in the frames of Hadoop's RPC: what a name node with Kerberos says to one without.
		"refuses": func(c net.Conn) { _, _ = c.Write([]byte{0, 0, 0, 5, 4, 8, 5, 16, 2}) },
		"silent":  func(net.Conn) {},
		"garbage": func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) },
		"closes":  func(c net.Conn) { _ = c.Close() },
		"huge":    func(c net.Conn) { _, _ = c.Write([]byte{0x00, 0xff, 0xff, 0xff, 1, 2}) },
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				var all []net.Conn
				for {
					c, err := l.Accept()
					if err != nil {
						break
					}
					all = append(all, c)
					talk(c)
				}
				for _, c := range all {
					_ = c.Close()
				}
			}()
			defer func() { _ = l.Close(); <-ended }()
			err = within(t, 8*time.Second, "open", func() error {
				_, err := OpenHDFS(t.Context(), HDFSOptions{
					NameNodes: []string{l.Addr().String()}, User: "u",
					Deadlines: Deadlines{Call: time.Second, Try: 300 * time.Millisecond},
				})
				return err
			})
			if code := CodeOf(err); code != CodeTimeout && code != CodeConnection && name != "refuses" {
				t.Fatalf("%v", err)
			}
			if code := CodeOf(err); code != CodeUnsupported && name == "refuses" {
				t.Fatalf("code %s: %v", code, err)
			}
			if !strings.Contains(err.Error(), l.Addr().String()) {
				t.Fatalf("%v does not say where", err)
			}
		})
	}
}

func TestHDFSSettings(t *testing.T) {
	t.Setenv("HADOOP_CONF_DIR", "")
	t.Setenv("HADOOP_HOME", "")
	conf := map[string]string{
		"dfs.ha.namenodes.east":             "a, b",
		"dfs.namenode.rpc-address.east.a":   "h1:1",
		"dfs.namenode.rpc-address.east.b":   "h2:2",
		"dfs.ha.namenodes.broken":           "a",
		"dfs.namenode.rpc-address.west":     "h3:3",
		"dfs.namenode.rpc-address.broken.b": "h4:4",
	}
	for _, test := range []struct {
		names []string
		want  string // or part of the error
		fails bool
	}{
		{[]string{"h1:9000"}, "[h1:9000]", false},
		{[]string{"hdfs://h1"}, "[h1:8020]", false},
		{[]string{"h2", "h1:1", "h2:8020"}, "[h1:1 h2:8020]", false},
		{[]string{"hdfs://east/"}, "[h1:1 h2:2]", false},
		{[]string{"west"}, "[h3:3]", false},
		{[]string{"broken"}, "dfs.namenode.rpc-address.broken.a", true},
		{nil, "no name node", true},
		{[]string{""}, "no address", true},
		{[]string{"h1:"}, "no address", true},
		{[]string{"h1/x:1"}, "no address", true},
	} {
		got, err := nameNodes(conf, test.names)
		text := fmt.Sprint(got)
		if test.fails {
			text = fmt.Sprint(err)
		}
		if (err != nil) != test.fails || !strings.Contains(text, test.want) {
			t.Errorf("%q: %v, %v", test.names, got, err)
		}
	}
	_, err := OpenHDFS(t.Context(), HDFSOptions{})
	wantCode(t, err, CodeInvalid)
	_, err = OpenHDFS(t.Context(), HDFSOptions{NameNodes: []string{"h"}, ConfDir: t.TempDir()})
	wantCode(t, err, CodeInvalid)
}

func TestParseLocation(t *testing.T) {
	for s, want := range map[string]string{
		"/a/b/":                "[]  /a/b",
		"hdfs://h:1/a/b/":      "[h:1]  /a/b",
		"hdfs://u@h1:1,h2:2/a": "[h1:1 h2:2] u /a",
		"hdfs://h":             "[h]  /",
		"hdfs://h//a/../b":     "[h]  /b",
	} {
		l, err := ParseLocation(s)
		if got := fmt.Sprint(l.NameNodes, " ", l.User, " ", l.Path); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"", "s3://b/x", "hdfs://", "hdfs:///x", "hdfs://h:1,/x"} {
		if l, err := ParseLocation(s); err == nil {
			t.Errorf("%q: %+v", s, l)
		}
	}
	dir := t.TempDir()
	l, err := ParseLocation(dir + "/x/y")
	if err != nil {
		t.Fatal(err)
	}
	s, name, err := l.Open(t.Context(), 2, HDFSOptions{})
	if err != nil || name != "x/y" || s.String() != "local:"+dir {
		t.Fatalf("%v %q %v", s, name, err)
	}
	if _, _, err := l.Open(t.Context(), 1, HDFSOptions{}); CodeOf(err) != CodeNotFound {
		t.Fatal(err)
	}
}

func TestSpool(t *testing.T) {
	for _, sizes := range [][]int{{}, {10}, {spoolMemory}, {spoolMemory, 1}, {1, spoolMemory, 5}, {3 * spoolMemory, 7}} {
		s := spool{dir: t.TempDir()}
		var want []byte
		for i, n := range sizes {
			p := noise(uint64(i), n)
			want = append(want, p...)
			if _, err := s.Write(p); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			got, err := io.ReadAll(s.reader())
			if err != nil || !bytes.Equal(got, want) || s.size != int64(len(want)) {
				t.Fatalf("%v: %d bytes, %v", sizes, len(got), err)
			}
		}
		s.close()
	}
	s := spool{dir: "/nonexistent/folder"}
	if _, err := s.Write(noise(1, spoolMemory+1)); err == nil || !errors.Is(err, errors.Unwrap(err)) || !strings.Contains(err.Error(), "temporary file") {
		t.Fatal(err)
	}
}

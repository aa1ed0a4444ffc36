package zookeeper

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// TestConform holds this server to what a real one does.
func TestConform(t *testing.T) { conform(t, start(t).Addr()) }

// TestRealZooKeeper holds the tests to a real server, which scripts/zookeeper.sh starts: what the
// sandbox is tested for is what ZooKeeper does.
func TestRealZooKeeper(t *testing.T) { conform(t, realServer(t)) }

func realServer(t *testing.T) string {
	addr := os.Getenv("PEGMIGRATE_TEST_ZOOKEEPER")
	if addr == "" {
		t.Skip("run by `make test-external`: scripts/zookeeper.sh starts a real ZooKeeper and sets PEGMIGRATE_TEST_ZOOKEEPER")
	}
	return addr
}

// start runs a server until the test ends.
func start(t *testing.T) *Server {
	t.Helper()
	s, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func conform(t *testing.T, addr string) {
	for name, test := range map[string]func(*testing.T, *client){
		"Nodes": conformNodes, "Versions": conformVersions, "Paths": conformPaths, "ACL": conformACL, "MaskedACL": conformMask,
		"InvalidACL": conformInvalidACL, "Watches": conformWatches, "Ephemeral": conformEphemeral, "Sequential": conformSequential,
		"TooLong": conformTooLong,
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, addr)
			c.root = fmt.Sprintf("/%s-%d", strings.ReplaceAll(t.Name(), "/", "-"), time.Now().UnixNano())
			c.create(c.root, "", zk.WorldACL(zk.PermAll))
			test(t, c)
		})
	}
}

// client is a session of Apache's unofficial Go client, the one that MetaProxy uses as well.
type client struct {
	*zk.Conn
	t      *testing.T
	root   string
	events chan zk.Event
	addr   string
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}

func connect(t *testing.T, addr string) *client {
	t.Helper()
	conn, events, err := zk.Connect([]string{addr}, 10*time.Second, zk.WithLogger(quiet{}), zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	c := &client{Conn: conn, t: t, addr: addr, events: make(chan zk.Event, 100)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e := range events {
			select {
			case c.events <- e:
			default:
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return c
}

func (c *client) create(path, data string, acl []zk.ACL) {
	c.t.Helper()
	if _, err := c.Create(path, []byte(data), 0, acl); err != nil {
		c.t.Fatal(path, err)
	}
}

func (c *client) wants(path, data string, version int32) *zk.Stat {
	c.t.Helper()
	got, stat, err := c.Get(path)
	if err != nil || string(got) != data || stat.Version != version || int(stat.DataLength) != len(data) {
		c.t.Fatalf("%s holds %q, %+v (%v), want %q at version %d", path, got, stat, err, data, version)
	}
	return stat
}

// event waits for a watch.
func event(t *testing.T, ch <-chan zk.Event) zk.Event {
	t.Helper()
	select {
	case e := <-ch:
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("no event came")
		return zk.Event{}
	}
}

func conformNodes(t *testing.T, c *client) {
	a, b := c.root+"/a", c.root+"/a/b"
	if there, _, err := c.Exists(a); there || err != nil {
		t.Fatalf("%v, %v", there, err)
	}
	if _, _, err := c.Get(a); !errors.Is(err, zk.ErrNoNode) {
		t.Errorf("get: %v", err)
	}
	if _, err := c.Create(b, nil, 0, zk.WorldACL(zk.PermAll)); !errors.Is(err, zk.ErrNoNode) {
		t.Errorf("create without a parent: %v", err)
	}
	before := time.Now()
	c.create(a, "one", zk.WorldACL(zk.PermAll))
	if _, err := c.Create(a, nil, 0, zk.WorldACL(zk.PermAll)); !errors.Is(err, zk.ErrNodeExists) {
		t.Errorf("create twice: %v", err)
	}
	s := c.wants(a, "one", 0)
	if s.Czxid == 0 || s.Czxid != s.Mzxid || s.Pzxid != s.Czxid || s.Ctime != s.Mtime || s.NumChildren != 0 || s.EphemeralOwner != 0 ||
		s.Ctime < before.Add(-time.Minute).UnixMilli() || s.Ctime > before.Add(time.Minute).UnixMilli() {
		t.Errorf("%+v", s)
	}
	if _, err := c.Create(b, nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	after := c.wants(a, "one", 0)
	if after.NumChildren != 1 || after.Cversion != 1 || after.Pzxid <= s.Pzxid || after.Mzxid != s.Mzxid {
		t.Errorf("%+v", after)
	}
	if names, st, err := c.Children(a); err != nil || !slices.Equal(names, []string{"b"}) || st.NumChildren != 1 {
		t.Errorf("%v, %+v, %v", names, st, err)
	}
	if err := c.Delete(a, -1); !errors.Is(err, zk.ErrNotEmpty) {
		t.Errorf("delete a parent: %v", err)
	}
	if err := c.Delete(b, 7); !errors.Is(err, zk.ErrBadVersion) {
		t.Errorf("delete another version: %v", err)
	}
	if err := errors.Join(c.Delete(b, 0), c.Delete(a, -1)); err != nil {
		t.Error(err)
	}
	if err := c.Delete(a, -1); !errors.Is(err, zk.ErrNoNode) {
		t.Errorf("delete twice: %v", err)
	}
	if names, _, err := c.Children("/"); err != nil || !slices.Contains(names, "zookeeper") {
		t.Errorf("%v, %v", names, err)
	}
	if path, err := c.Sync(c.root); err != nil || path != c.root {
		t.Errorf("sync: %q, %v", path, err)
	}
}

func conformVersions(t *testing.T, c *client) {
	path := c.root + "/n"
	c.create(path, "0", zk.WorldACL(zk.PermAll))
	first := c.wants(path, "0", 0)
	stat, err := c.Set(path, []byte("one"), 0)
	if err != nil || stat.Version != 1 || stat.Mzxid <= first.Mzxid || stat.Czxid != first.Czxid || stat.DataLength != 3 {
		t.Fatalf("%+v, %v", stat, err)
	}
	if _, err := c.Set(path, []byte("lost"), 0); !errors.Is(err, zk.ErrBadVersion) {
		t.Errorf("the old version: %v", err)
	}
	c.wants(path, "one", 1)
	if _, err := c.Set(path, []byte("two"), -1); err != nil {
		t.Error(err)
	}
	c.wants(path, "two", 2)
	if _, err := c.Set(path, nil, 2); err != nil {
		t.Error(err)
	}
	c.wants(path, "", 3)
	if _, err := c.Set(c.root+"/none", nil, -1); !errors.Is(err, zk.ErrNoNode) {
		t.Errorf("no node: %v", err)
	}
	// The same bytes are a new version, too.
	if _, err := c.Set(path, nil, 3); err != nil {
		t.Error(err)
	}
	c.wants(path, "", 4)
}

func conformPaths(t *testing.T, c *client) {
	for _, path := range []string{"", "n", c.root + "/", c.root + "//n", c.root + "/.", c.root + "/../n", c.root + "/\x00"} {
		if _, err := c.Create(path, nil, 0, zk.WorldACL(zk.PermAll)); err == nil {
			t.Errorf("%q was made", path)
		}
	}
	c.create(c.root+"/.hidden", "", zk.WorldACL(zk.PermAll))
	c.create(c.root+"/with space", "", zk.WorldACL(zk.PermAll))
	names, _, err := c.Children(c.root)
	slices.Sort(names)
	if err != nil || !slices.Equal(names, []string{".hidden", "with space"}) {
		t.Errorf("%q, %v", names, err)
	}
}

func conformACL(t *testing.T, c *client) {
	other := connect(t, c.addr)
	secret := zk.DigestACL(zk.PermAll, "ops", "secret")
	for name, acl := range map[string][]zk.ACL{
		"secret": secret, "readable": append(slices.Clone(secret), zk.WorldACL(zk.PermRead)...),
		"loopback": {{Perms: zk.PermAll, Scheme: "ip", ID: "127.0.0.1"}}, "near": {{Perms: zk.PermRead, Scheme: "ip", ID: "127.0.0.0/8"}},
		"far": {{Perms: zk.PermAll, Scheme: "ip", ID: "10.0.0.0/8"}},
	} {
		c.create(c.root+"/"+name, name, acl)
	}
	may := func(who *client, name string, read, write, admin bool) {
		t.Helper()
		path := c.root + "/" + name
		_, _, err := who.Get(path)
		check(t, name+": get", err, read)
		_, err = who.Set(path, []byte(name), -1)
		check(t, name+": set", err, write)
		acl, _, err := who.GetACL(path)
		check(t, name+": get ACL", err, read || admin)
		if err == nil && admin {
			_, err = who.SetACL(path, acl, -1)
			check(t, name+": set ACL", err, true)
		}
		_, _, err = who.Exists(path)
		check(t, name+": exists", err, true)
	}
	may(other, "secret", false, false, false)
	may(other, "readable", true, false, false)
	may(other, "loopback", true, true, true)
	may(other, "near", true, false, false)
	may(other, "far", false, false, false)
	if err := other.AddAuth("digest", []byte("ops:wrong")); err != nil {
		t.Fatal(err) // a wrong password is another identity, not an error
	}
	may(other, "secret", false, false, false)
	if err := other.AddAuth("digest", []byte("ops:secret")); err != nil {
		t.Fatal(err)
	}
	may(other, "secret", true, true, true)
	may(other, "readable", true, true, true)
	// Creating and deleting are rights on the parent.
	if _, err := c.Create(c.root+"/readable/n", nil, 0, zk.WorldACL(zk.PermAll)); !errors.Is(err, zk.ErrNoAuth) {
		t.Errorf("create: %v", err)
	}
	other.create(c.root+"/readable/n", "", zk.WorldACL(zk.PermRead))
	if err := c.Delete(c.root+"/readable/n", -1); !errors.Is(err, zk.ErrNoAuth) {
		t.Errorf("delete: %v", err)
	}
	if err := other.Delete(c.root+"/readable/n", -1); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := other.SetACL(c.root+"/secret", secret, 99); !errors.Is(err, zk.ErrBadVersion) {
		t.Errorf("set ACL of another version: %v", err)
	}
}

func check(t *testing.T, what string, err error, ok bool) {
	t.Helper()
	if ok && err != nil || !ok && !errors.Is(err, zk.ErrNoAuth) {
		t.Errorf("%s: %v, allowed: %t", what, err, ok)
	}
}

func conformMask(t *testing.T, c *client) {
	path := c.root + "/n"
	acl := append(zk.DigestACL(zk.PermAll, "ops", "secret"), zk.WorldACL(zk.PermRead)...)
	c.create(path, "", acl)
	got, _, err := c.GetACL(path)
	if err != nil || len(got) != 2 || got[0].ID != "ops:x" || got[1].ID != "anyone" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := c.AddAuth("digest", []byte("ops:secret")); err != nil {
		t.Fatal(err)
	}
	if got, stat, err := c.GetACL(path); err != nil || !slices.Equal(got, acl) || stat.Aversion != 0 {
		t.Errorf("%+v, %+v, %v", got, stat, err)
	}
	if stat, err := c.SetACL(path, zk.WorldACL(zk.PermAll), 0); err != nil || stat.Aversion != 1 || stat.Version != 0 {
		t.Errorf("%+v, %v", stat, err)
	}
	// "auth" stands for whoever is authenticated.
	c.create(c.root+"/mine", "", zk.AuthACL(zk.PermAll))
	if got, _, err := c.GetACL(c.root + "/mine"); err != nil || !slices.Equal(got, zk.DigestACL(zk.PermAll, "ops", "secret")) {
		t.Errorf("%+v, %v", got, err)
	}
}

func conformInvalidACL(t *testing.T, c *client) {
	for name, acl := range map[string][]zk.ACL{
		"none": {}, "unknown scheme": {{Perms: 31, Scheme: "nobody", ID: "x"}}, "world": {{Perms: 31, Scheme: "world", ID: "x"}},
		"digest": {{Perms: 31, Scheme: "digest", ID: "x"}}, "ip": {{Perms: 31, Scheme: "ip", ID: "x"}}, "auth of nobody": zk.AuthACL(zk.PermAll),
	} {
		if _, err := c.Create(c.root+"/n", nil, 0, acl); !errors.Is(err, zk.ErrInvalidACL) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.AddAuth("nobody", []byte("x")); err == nil {
		t.Error("an unknown scheme was accepted")
	}
}

func conformWatches(t *testing.T, c *client) {
	other := connect(t, c.addr)
	path := c.root + "/n"
	_, _, made, err := c.ExistsW(path)
	if err != nil {
		t.Fatal(err)
	}
	_, _, child, err := c.ChildrenW(c.root)
	if err != nil {
		t.Fatal(err)
	}
	other.create(path, "0", zk.WorldACL(zk.PermAll))
	if e := event(t, made); e.Type != zk.EventNodeCreated || e.Path != path {
		t.Errorf("%+v", e)
	}
	if e := event(t, child); e.Type != zk.EventNodeChildrenChanged || e.Path != c.root {
		t.Errorf("%+v", e)
	}
	_, _, data, err := c.GetW(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Set(path, []byte("1"), -1); err != nil {
		t.Fatal(err)
	}
	if e := event(t, data); e.Type != zk.EventNodeDataChanged || e.Path != path {
		t.Errorf("%+v", e)
	}
	// A watch is told once, and one that is set anew sees the next change.
	_, _, data, err = c.GetW(path)
	if err != nil {
		t.Fatal(err)
	}
	_, _, below, err := c.ChildrenW(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Delete(path, -1); err != nil {
		t.Fatal(err)
	}
	if e := event(t, data); e.Type != zk.EventNodeDeleted {
		t.Errorf("%+v", e)
	}
	if e := event(t, below); e.Type != zk.EventNodeDeleted {
		t.Errorf("%+v", e)
	}
	if _, _, _, err := c.GetW(path); !errors.Is(err, zk.ErrNoNode) {
		t.Errorf("%v", err)
	}
}

func conformEphemeral(t *testing.T, c *client) {
	other, path := connect(t, c.addr), c.root+"/n"
	if _, err := other.Create(path, []byte("x"), zk.FlagEphemeral, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	if stat := c.wants(path, "x", 0); stat.EphemeralOwner != other.SessionID() {
		t.Errorf("%+v, session %d", stat, other.SessionID())
	}
	if _, err := other.Create(path+"/child", nil, 0, zk.WorldACL(zk.PermAll)); !errors.Is(err, zk.ErrNoChildrenForEphemerals) {
		t.Errorf("child: %v", err)
	}
	_, _, gone, err := c.GetW(path)
	if err != nil {
		t.Fatal(err)
	}
	other.Close()
	if e := event(t, gone); e.Type != zk.EventNodeDeleted {
		t.Errorf("%+v", e)
	}
}

func conformSequential(t *testing.T, c *client) {
	for i := range 3 {
		path, err := c.Create(c.root+"/n-", nil, zk.FlagSequence, zk.WorldACL(zk.PermAll))
		if err != nil || path != fmt.Sprintf("%s/n-%010d", c.root, i) {
			t.Errorf("%s, %v", path, err)
		}
	}
}

// conformTooLong: a packet above 1 MiB ends the connection, and nothing is done.
func conformTooLong(t *testing.T, c *client) {
	path := c.root + "/n"
	c.create(path, "", zk.WorldACL(zk.PermAll))
	big, _, err := zk.Connect([]string{c.addr}, 10*time.Second, zk.WithLogger(quiet{}), zk.WithLogInfo(false), zk.WithMaxConnBufferSize(4<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer big.Close()
	if _, err := big.Set(path, bytes.Repeat([]byte("x"), 2<<20), -1); err == nil {
		t.Error("2 MiB were written")
	}
	c.wants(path, "", 0)
}

// TestZooKeeperCommandLine drives the sandbox's server with ZooKeeper's own command line.
func TestZooKeeperCommandLine(t *testing.T) {
	realServer(t)
	s := start(t)
	java := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "java", append([]string{"-cp", "/usr/share/java/zookeeper.jar", "org.apache.zookeeper.ZooKeeperMain", "-server", s.Addr()}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Logf("%v: %v", args, err)
		}
		return string(out)
	}
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"create", "/route", `{"x":1}`}, "Created /route"},
		{[]string{"get", "/route"}, `{"x":1}`},
		{[]string{"set", "-s", "-v", "0", "/route", "new"}, "dataVersion = 1"},
		{[]string{"set", "-v", "0", "/route", "lost"}, "version No is not valid"},
		{[]string{"stat", "/route"}, "dataLength = 3"},
		{[]string{"ls", "/"}, "[route, zookeeper]"},
		{[]string{"getAcl", "/route"}, "'world,'anyone"},
		{[]string{"setAcl", "/route", "world:anyone:r"}, ""},
		{[]string{"set", "/route", "no"}, "Insufficient permission"},
		{[]string{"whoami"}, "ip: 127.0.0.1"},
		{[]string{"delete", "/route"}, ""},
		{[]string{"get", "/route"}, "Node does not exist"},
	} {
		if out := java(step.args...); !strings.Contains(out, step.want) {
			t.Errorf("%v: %s, want %q", step.args, out, step.want)
		}
	}
}

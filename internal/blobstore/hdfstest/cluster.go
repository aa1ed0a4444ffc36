package hdfstest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Classpath is the environment variable that scripts/hdfs.sh sets.
const Classpath = "PEGMIGRATE_TEST_HDFS_CLASSPATH"

// startLimit is for a daemon to answer, on a machine that is busy with other things.
const startLimit = 2 * time.Minute

// Cluster is a running HDFS. Blocks have 1 MiB, so that small files have several.
type Cluster struct {
	t       testing.TB
	dir     string
	jars    string
	ports   map[string]int // of name nodes
	daemons map[string]*daemon
}

type daemon struct {
	class string
	cmd   *exec.Cmd
	ended chan struct{}
}

// Start brings up name nodes nn1 (active) and nn2 (standby), and so many data nodes: dn1, dn2, ... They end with the test.
// Without the jars the test is skipped.
func Start(t testing.TB, dataNodes int) *Cluster {
	t.Helper()
	jars := os.Getenv(Classpath)
	if jars == "" {
		t.Skip("run by `make test-external`: scripts/hdfs.sh resolves Hadoop's jars and sets " + Classpath)
	}
	c := &Cluster{t: t, dir: t.TempDir(), jars: jars, daemons: map[string]*daemon{}}
	t.Cleanup(c.endAll)
	var err error
	for range 3 { // somebody else may take a port between the look and the start
		if err = c.bringUp(dataNodes); err == nil {
			return c
		}
		t.Logf("the cluster did not start: %v", err)
		c.endAll()
	}
	t.Fatal(err)
	return nil
}

func (c *Cluster) bringUp(dataNodes int) error {
	for _, old := range []string{"conf", "nn1", "nn2", "shared"} {
		if err := os.RemoveAll(filepath.Join(c.dir, old)); err != nil {
			return err
		}
	}
	if err := c.configure(); err != nil {
		return err
	}
	if _, err := c.java("nn1", nameNode, "-format", "-nonInteractive"); err != nil {
		return err
	}
	// A standby begins with a copy of the other's image; this is the one that is empty.
	if err := os.CopyFS(filepath.Join(c.dir, "nn2"), os.DirFS(filepath.Join(c.dir, "nn1"))); err != nil {
		return err
	}
	names := []string{"nn1", "nn2"}
	for i := range dataNodes {
		names = append(names, fmt.Sprintf("dn%d", i+1))
	}
	for _, name := range names {
		if err := c.start(name); err != nil {
			return err
		}
	}
	for _, name := range names[:2] {
		if err := c.listens(name); err != nil {
			return err
		}
	}
	if _, err := c.java("nn1", haAdmin, "-transitionToActive", "nn1"); err != nil {
		return err
	}
	return c.wait(func() error {
		out, err := c.java("nn1", dfsAdmin, "-report", "-live")
		if err == nil && !strings.Contains(out, fmt.Sprintf("Live datanodes (%d)", dataNodes)) {
			err = fmt.Errorf("the data nodes are not all there: %s", out)
		}
		return err
	})
}

// The main classes of Hadoop.
const (
	nameNode = "org.apache.hadoop.hdfs.server.namenode.NameNode"
	dataNode = "org.apache.hadoop.hdfs.server.datanode.DataNode"
	haAdmin  = "org.apache.hadoop.hdfs.tools.DFSHAAdmin"
	dfsAdmin = "org.apache.hadoop.hdfs.tools.DFSAdmin"
	fsShell  = "org.apache.hadoop.fs.FsShell"
)

// NameNodes gives the addresses, nn1's first.
func (c *Cluster) NameNodes() []string {
	return []string{c.address("nn1"), c.address("nn2")}
}

// ConfDir holds the configuration, in which the cluster is called "test".
func (c *Cluster) ConfDir() string { return filepath.Join(c.dir, "conf") }

func (c *Cluster) address(name string) string { return fmt.Sprintf("127.0.0.1:%d", c.ports[name]) }

// Admin runs `hdfs dfsadmin` on both name nodes.
func (c *Cluster) Admin(args ...string) {
	c.t.Helper()
	if out, err := c.java("nn1", dfsAdmin, args...); err != nil {
		c.t.Fatalf("dfsadmin %q: %v\n%s", args, err, out)
	}
}

// Replicate waits until every block of a file has so many replicas. A writer is content with fewer while the name node
// takes a data node for dead.
func (c *Cluster) Replicate(path string, replicas int) {
	c.t.Helper()
	if out, err := c.java("nn1", fsShell, "-setrep", "-w", strconv.Itoa(replicas), path); err != nil {
		c.t.Fatalf("%s does not get %d replicas: %v\n%s", path, replicas, err, out)
	}
}

// Failover makes one name node the active one, and the other the standby.
func (c *Cluster) Failover(from, to string) {
	c.t.Helper()
	for _, args := range [][]string{{"-transitionToStandby", from}, {"-transitionToActive", to}} {
		if out, err := c.java("nn1", haAdmin, args...); err != nil {
			c.t.Fatalf("haadmin %q: %v\n%s", args, err, out)
		}
	}
}

// Freeze stops a daemon as SIGSTOP does: its ports take connections, and nothing answers. Thaw ends that.
func (c *Cluster) Freeze(names ...string) {
	c.t.Helper()
	c.signal(syscall.SIGSTOP, names)
	for _, name := range names {
		if err := c.wait(func() error { return stopped(c.daemons[name].cmd.Process.Pid) }); err != nil {
			c.t.Fatalf("%s: %v", name, err)
		}
	}
}

// stopped says which thread of a process still runs: a signal is sent at once, and each thread heeds it in its own time.
func stopped(pid int) error {
	states, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(states) == 0 {
		return errEnded
	}
	for _, file := range states {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // it ended
		}
		// The name in parentheses may hold anything; the state comes behind it (proc(5)).
		if rest := data[bytes.LastIndexByte(data, ')')+1:]; !bytes.HasPrefix(bytes.TrimSpace(rest), []byte("T")) {
			return fmt.Errorf("%s: %.20q", file, rest)
		}
	}
	return nil
}

// Thaw lets frozen daemons go on.
func (c *Cluster) Thaw(names ...string) { c.signal(syscall.SIGCONT, names) }

func (c *Cluster) signal(s syscall.Signal, names []string) {
	c.t.Helper()
	for _, name := range names {
		if err := c.daemons[name].cmd.Process.Signal(s); err != nil {
			c.t.Fatalf("%s: %v", name, err)
		}
	}
}

// Kill ends a daemon as SIGKILL does.
func (c *Cluster) Kill(name string) {
	d := c.daemons[name]
	if d == nil {
		return
	}
	_ = d.cmd.Process.Kill() // it may have ended
	<-d.ended
	delete(c.daemons, name)
}

// Restart starts a daemon that was killed.
func (c *Cluster) Restart(name string) {
	c.t.Helper()
	if err := c.start(name); err != nil {
		c.t.Fatal(err)
	}
	if c.ports[name] != 0 {
		if err := c.listens(name); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *Cluster) endAll() {
	for name := range c.daemons {
		c.Kill(name)
	}
}

// command gives a Java process as one of the nodes. It dies with this process, however that ends.
func (c *Cluster) command(ctx context.Context, node, class string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "java", slices.Concat([]string{
		"-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dpegmigrate.node=" + node,
		"-cp", c.ConfDir() + string(os.PathListSeparator) + c.jars, class,
	}, args)...)
	cmd.Dir = c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// java runs a command of Hadoop to its end.
func (c *Cluster) java(node, class string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	out, err := c.command(ctx, node, class, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %q: %w\n%s", class, args, err, out)
	}
	return string(out), err
}

func (c *Cluster) start(name string) error {
	class := dataNode
	if strings.HasPrefix(name, "nn") {
		class = nameNode
	}
	log, err := os.OpenFile(c.logPath(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	d := &daemon{class: class, cmd: c.command(context.Background(), name, class), ended: make(chan struct{})}
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		return err
	}
	c.daemons[name] = d
	go func() {
		_ = d.cmd.Wait() // a daemon that ended is seen by its port
		close(d.ended)
	}()
	return nil
}

func (c *Cluster) logPath(name string) string { return filepath.Join(c.dir, name+".log") }

// listens waits until a name node takes connections.
func (c *Cluster) listens(name string) error {
	return c.wait(func() error {
		select {
		case <-c.daemons[name].ended:
			log, _ := os.ReadFile(c.logPath(name))
			return fmt.Errorf("%w: %s:\n%s", errEnded, name, bytes.TrimSpace(log))
		default:
		}
		conn, err := net.DialTimeout("tcp", c.address(name), time.Second)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
}

package sandboxtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// clustersKey is where a script's clusters are kept.
type clustersKey struct{}

// clusters are those of one script, by name.
type clusters struct {
	ctx    context.Context
	byName map[string]*sandbox.Cluster
	// routing is nil until the verb metaproxies.
	routing *sandbox.Routing
	traffic map[string]*run
}

// timeFactor makes a config sync 150 ms and a new table healthy within 200 ms.
const timeFactor = 200

// releaseFile is a file of a script that has the release of its clusters in it, a name of sandbox.Versions.
// Scripts without it get the default release.
const releaseFile = "release"

// BlockService is the provider of a script's clusters: folder blocks of the script, $BLOCKS.
const BlockService = "store"

// HDFSService is another one, of type hdfs_service: folder cloud of the script, $CLOUD. [OpenHDFS] opens it.
const HDFSService = "cloud"

// Setup starts clusters a and b (two metas, three replica servers each), which can duplicate to
// each other and share a block service, and writes clusters.hcl, which declares them, into the script's folder.
func Setup(ctx context.Context, env *testscript.Env) error {
	release, err := os.ReadFile(filepath.Join(env.WorkDir, releaseFile))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	c := &clusters{ctx: ctx, byName: map[string]*sandbox.Cluster{}, traffic: map[string]*run{}}
	env.Values[clustersKey{}] = c
	blocks := filepath.Join(env.WorkDir, "blocks")
	env.Setenv("BLOCKS", blocks)
	cloud := filepath.Join(env.WorkDir, "cloud")
	env.Setenv("CLOUD", cloud)
	env.Setenv("HDFS_ARGS", sandbox.HDFSNameNode+" "+cloud)
	var hcl strings.Builder
	for i, name := range []string{"a", "b"} {
		cluster, err := sandbox.Start(ctx, sandbox.Config{Name: name, Metas: 2, Replicas: 3, TimeFactor: timeFactor,
			Seed: uint64(i + 1), RemoteClusters: []string{"a", "b"}, BlockServices: map[string]string{BlockService: blocks}, HDFSServices: map[string]string{HDFSService: cloud}, Version: strings.TrimSpace(string(release))})
		if err != nil {
			return err
		}
		env.Defer(func() { _ = cluster.Close() })
		c.byName[name] = cluster
		env.Setenv(strings.ToUpper(name)+"_META", strings.Join(cluster.MetaServers(), ","))
		env.Setenv(strings.ToUpper(name)+"_REPLICA", cluster.ReplicaServers()[0])
		fmt.Fprintf(&hcl, "cluster %q {\n  meta_servers = [%s]\n}\n", name, quoted(cluster.MetaServers()))
	}
	if err := sandbox.Link(c.byName["a"], c.byName["b"]); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(env.WorkDir, "clusters.hcl"), []byte(hcl.String()), 0o644)
}

func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(out, ", ")
}

// cluster gives a script's cluster.
func cluster(ts *testscript.TestScript, name string) *sandbox.Cluster {
	c := ts.Value(clustersKey{}).(*clusters).byName[name]
	if c == nil {
		ts.Fatalf("there is no cluster %q", name)
	}
	return c
}

// split reads "cluster/table".
func split(ts *testscript.TestScript, ref string) (*sandbox.Cluster, string) {
	name, table, ok := strings.Cut(ref, "/")
	if !ok {
		ts.Fatalf("%q is not cluster/table", ref)
	}
	return cluster(ts, name), table
}

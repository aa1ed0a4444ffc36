package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// Names of the files in the folder of a running sandbox.
const (
	// DescriptionFile lists the servers; it appears when all of them are ready and
	// goes away when they end.
	DescriptionFile = "sandbox.json"
	// MigrationFile is a starter that moves table "demo" from a to b.
	MigrationFile = "migration.hcl"
	// SocketFile takes the commands of other processes.
	SocketFile = "control.sock"
)

// UpConfig says what Up starts. The zero value of a field means its default.
type UpConfig struct {
	// Dir is the folder for the files of the sandbox; it is made when absent.
	Dir string
	// Clusters is their number, 1 to 26; they are named a, b, ... Default 2.
	Clusters int
	// Metas and Replicas per cluster. Defaults 2 and 3.
	Metas, Replicas int
	// TimeFactor as in Config. Default 100.
	TimeFactor float64
	// Seed as in Config.
	Seed uint64
	// MetaProxies is how many proxies to start, with a ZooKeeper that holds their records and that the
	// clusters report as theirs. Default 0: neither.
	MetaProxies int
	// Version as in Config, of all clusters. Default Version250.
	Version string
	// ShipRate as in Config.
	ShipRate float64
	// BlockServices as in Config, of all clusters: they share the folders.
	BlockServices map[string]string
	// Log gets a few lines for people. Default: none.
	Log io.Writer
}

// Description is the content of DescriptionFile.
type Description struct {
	Clusters []ClusterDescription `json:"clusters"`
	// ZooKeeper is "" without MetaProxies.
	ZooKeeper string `json:"zookeeper"`
	// RouteRoot is the node above the route records, "" without MetaProxies.
	RouteRoot   string   `json:"route_root,omitempty"`
	MetaProxies []string `json:"metaproxies"`
	// BlockStore is the folder of the first block service by name, "" without any; BlockServices
	// are all of them, name to folder.
	BlockStore    string            `json:"block_store"`
	BlockServices map[string]string `json:"block_services,omitempty"`
}

// ClusterDescription is one cluster of a Description.
type ClusterDescription struct {
	Name           string   `json:"name"`
	MetaServers    []string `json:"meta_servers"`
	ReplicaServers []string `json:"replica_servers"`
}

// maxClusters is how many names of one letter there are.
const maxClusters = 26

// Up starts clusters, writes the files of UpConfig.Dir, and serves until ctx is
// done, which is not an error. What the clusters hold is lost then.
func Up(ctx context.Context, cfg UpConfig) (err error) {
	cfg.Clusters = orDefault(cfg.Clusters, 2)
	cfg.Metas = orDefault(cfg.Metas, 2)
	if cfg.Log == nil {
		cfg.Log = io.Discard
	}
	if cfg.Dir == "" {
		return errors.New("sandbox: no folder given")
	}
	if cfg.MetaProxies < 0 || cfg.MetaProxies > maxProxies {
		return fmt.Errorf("sandbox: %d proxies, must be 0 to %d", cfg.MetaProxies, maxProxies)
	}
	if cfg.Clusters < 1 || cfg.Clusters > maxClusters {
		return fmt.Errorf("sandbox: %d clusters, must be 1 to %d", cfg.Clusters, maxClusters)
	}
	files := atomicfile.OS{}
	if err := files.MkdirAll(cfg.Dir); err != nil {
		return fmt.Errorf("sandbox: folder: %w", err)
	}
	socket, err := listenControl(cfg.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, socket.close()) }()

	var world controlled
	defer func() { err = errors.Join(err, world.close()) }()
	if cfg.MetaProxies > 0 {
		if world.routing, err = StartRouting(cfg.MetaProxies, cfg.Log); err != nil {
			return err
		}
	}
	if world.clusters, err = startAll(ctx, cfg); err != nil {
		return err
	}
	for _, c := range world.clusters {
		if world.routing != nil {
			err = errors.Join(err, world.routing.Adopt(c))
		}
	}
	if err != nil {
		return err
	}
	if err := describe(files, cfg, world); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, atomicfile.RemoveFile(files, filepath.Join(cfg.Dir, DescriptionFile)))
	}()
	for _, c := range world.clusters {
		fmt.Fprintf(cfg.Log, "cluster %s: metas %v, replica servers %v\n", c.Name(), c.MetaServers(), c.ReplicaServers())
	}
	fmt.Fprintf(cfg.Log, "ready: %s\n", filepath.Join(cfg.Dir, DescriptionFile))
	return socket.serve(ctx, world)
}

// controlled is what a sandbox of Up consists of.
type controlled struct {
	clusters []*Cluster
	routing  *Routing // nil without proxies
}

func (w controlled) zooKeeper() string {
	if w.routing == nil {
		return ""
	}
	return w.routing.ZooKeeper().Addr()
}

func (w controlled) close() error {
	var errs []error
	for _, c := range w.clusters {
		errs = append(errs, c.Close())
	}
	if w.routing != nil {
		errs = append(errs, w.routing.Close())
	}
	return errors.Join(errs...)
}

// startAll starts the clusters and links them; those that it returns with an error run too.
func startAll(ctx context.Context, cfg UpConfig) ([]*Cluster, error) {
	var names []string
	for i := range cfg.Clusters {
		names = append(names, string(rune('a'+i)))
	}
	var clusters []*Cluster
	for i, name := range names {
		c, err := Start(ctx, Config{
			Name: name, Version: cfg.Version, Metas: cfg.Metas, Replicas: cfg.Replicas, TimeFactor: cfg.TimeFactor,
			Seed: cfg.Seed + uint64(i), RemoteClusters: names, ShipRate: cfg.ShipRate, BlockServices: cfg.BlockServices,
		})
		if err != nil {
			return clusters, err
		}
		clusters = append(clusters, c)
	}
	return clusters, Link(clusters...)
}

// describe writes the starter and, last, the description that tells others that
// everything is ready.
func describe(files atomicfile.FS, cfg UpConfig, world controlled) error {
	d := Description{Clusters: []ClusterDescription{}, ZooKeeper: world.zooKeeper(), MetaProxies: []string{}, BlockServices: cfg.BlockServices}
	for _, name := range slices.Sorted(maps.Keys(cfg.BlockServices)) {
		d.BlockStore = orDefault(d.BlockStore, cfg.BlockServices[name])
	}
	if world.routing != nil {
		d.RouteRoot, d.MetaProxies = RouteRoot, world.routing.ProxyAddrs()
	}
	for _, c := range world.clusters {
		d.Clusters = append(d.Clusters, ClusterDescription{
			Name: c.Name(), MetaServers: c.MetaServers(), ReplicaServers: c.ReplicaServers(),
		})
	}
	if err := writeStarter(files, cfg, d); err != nil {
		return err
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("sandbox: description: %w", err)
	}
	if err := atomicfile.WriteFile(files, filepath.Join(cfg.Dir, DescriptionFile), append(text, '\n')); err != nil {
		return fmt.Errorf("sandbox: description: %w", err)
	}
	return nil
}

// ReadDescription reads the description of a running sandbox.
func ReadDescription(dir string) (Description, error) {
	var d Description
	text, err := atomicfile.OS{}.ReadFile(filepath.Join(dir, DescriptionFile))
	if err != nil {
		return d, fmt.Errorf("sandbox: no sandbox runs in %s: %w", dir, err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return d, fmt.Errorf("sandbox: %s: %w", DescriptionFile, err)
	}
	return d, nil
}

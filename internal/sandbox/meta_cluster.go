package sandbox

import (
	"fmt"
	"math"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// clusterInfo describes the cluster, in the order of keys of
// meta_service::on_query_cluster_info.
func clusterInfo(c *Cluster, _ *idl.ClusterInfoRequest, resp *idl.ClusterInfoResponse) {
	primaries, total := c.stddev()
	for _, kv := range [][2]string{
		{"meta_servers", strings.Join(c.MetaServers(), ",")},
		{"primary_meta_server", c.leader.srv.addr},
		{"zookeeper_hosts", c.zooKeeperHosts()},
		{"zookeeper_root", zooKeeperRoot(c.cfg.Name)},
		{"meta_function_level", levelName(c.effectiveLevel())},
		{"balance_operation_count", "move_pri=0,copy_pri=0,copy_sec=0,total=0"},
		{"primary_replica_count_stddev", fmt.Sprintf("%.2f", primaries)},
		{"total_replica_count_stddev", fmt.Sprintf("%.2f", total)},
		{"cluster_name", c.cfg.Name},
	} {
		resp.Keys = append(resp.Keys, kv[0])
		resp.Values = append(resp.Values, kv[1])
	}
}

// zooKeeperRoot is where a cluster keeps its state ([zookeeper] and [meta_server] cluster_root).
func zooKeeperRoot(name string) string { return "/pegasus/" + name }

// levelName is how a level is printed: meta_function_level without its prefix.
func levelName(l idl.MetaLevel) string {
	switch l {
	case idl.MetaStopped:
		return "stopped"
	case idl.MetaBlind:
		return "blind"
	case idl.MetaFreezed:
		return "freezed"
	case idl.MetaSteady:
		return "steady"
	case idl.MetaLively:
		return "lively"
	default:
		return "invalid"
	}
}

// stddev is how unevenly primaries and all replicas are spread over living servers.
func (c *Cluster) stddev() (primaries, total float64) {
	sums := make(map[*replicaNode]*load, len(c.nodes))
	for _, n := range c.nodes {
		sums[n] = &load{}
	}
	for _, t := range c.tables {
		for n, l := range c.loads(t) {
			sums[n].primaries += l.primaries
			sums[n].all += l.all
		}
	}
	var prim, all []float64
	for _, n := range c.nodes {
		if n.alive {
			prim, all = append(prim, float64(sums[n].primaries)), append(all, float64(sums[n].all))
		}
	}
	return deviation(prim), deviation(all)
}

// deviation is the standard deviation of the whole population.
func deviation(vs []float64) float64 {
	if len(vs) == 0 {
		return 0
	}
	var sum, squares float64
	for _, v := range vs {
		sum += v
	}
	mean := sum / float64(len(vs))
	for _, v := range vs {
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares / float64(len(vs)))
}

// metaControl sets the meta function level, or only tells it.
func metaControl(c *Cluster, req *idl.MetaControlRequest, resp *idl.MetaControlResponse) {
	resp.OldLevel = c.level
	if req.Level != idl.MetaLevelInvalid {
		c.level = req.Level
	}
}

package actuate

import (
	"context"
	"strconv"
	"sync"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// flagMaxWrite is the largest body of a write request in bytes that a replica server takes, 0 for no
// limit ([replication] max_allowed_write_size; checked in replica_2pc.cpp, on_client_write).
const flagMaxWrite = "max_allowed_write_size"

// noLimit stands for servers without a limit: more than any row that they could send to us.
const noLimit = 1 << 30

// nodesAtOnce bounds how many servers are asked at the same time.
const nodesAtOnce = 16

// maxWrite is the largest body of a write that every replica server of the cluster takes, 0 when
// none of them tells.
func (e *Engine) maxWrite(ctx context.Context, t plan.TableRef) int {
	c, err := e.clusters.cluster(t.Cluster)
	if err != nil {
		return 0
	}
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return 0
	}
	return smallestLimit(askNodes(ctx, c, nodes, flagMaxWrite))
}

// askNodes reads a flag of section replication of every living node; "" of one that does not tell.
func askNodes(ctx context.Context, c *pegasus.Cluster, nodes []pegasus.Node, flag string) []string {
	out := make([]string, len(nodes))
	slots := make(chan struct{}, nodesAtOnce)
	var wg sync.WaitGroup
	for i, n := range nodes {
		if !n.Alive {
			continue
		}
		slots <- struct{}{} // a question ends by its deadline
		wg.Go(func() {
			defer func() { <-slots }()
			out[i], _ = c.Setting(ctx, n.Addr, sectionReplication, flag) // one that does not tell sets no limit
		})
	}
	wg.Wait()
	return out
}

// smallestLimit is the smallest of the limits that servers report.
func smallestLimit(values []string) int {
	smallest := 0
	for _, v := range values {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			continue
		}
		if n == 0 || n > noLimit {
			n = noLimit
		}
		if smallest == 0 || int(n) < smallest {
			smallest = int(n)
		}
	}
	return smallest
}

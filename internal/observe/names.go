package observe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
)

// nameLimit bounds the question for one name.
const nameLimit = 5 * time.Second

// lookup gives the IPv4 addresses of a host name; *net.Resolver has it as LookupNetIP.
type lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

// resolve puts the addresses of meta servers in place of their names: servers, clients and MetaProxy
// know addresses only, and a name that leads somewhere else tomorrow is another fact. A name that cannot
// be resolved stays as it is, and is told.
func resolve(ctx context.Context, f *plan.ClusterFacts, declared []string, ask lookup) {
	add := func(addr string) {
		if !slices.Contains(f.MetaServers, addr) {
			f.MetaServers = append(f.MetaServers, addr)
		}
	}
	for _, addr := range declared {
		host, port, err := net.SplitHostPort(addr)
		if _, literal := netip.ParseAddr(host); err != nil || literal == nil {
			add(addr)
			continue
		}
		limited, cancel := context.WithTimeout(ctx, nameLimit)
		ips, err := ask(limited, "ip4", host)
		cancel()
		if err != nil || len(ips) == 0 {
			add(addr)
			if err == nil {
				err = fmt.Errorf("lookup %s: no IPv4 address", host)
			}
			f.MetaUnresolved = append(f.MetaUnresolved, fmt.Sprintf("%s: %v", addr, err))
			continue
		}
		for i, ip := range ips {
			ips[i] = ip.Unmap()
		}
		slices.SortFunc(ips, netip.Addr.Compare) // name servers turn the order around
		for _, ip := range ips {
			one := net.JoinHostPort(ip.String(), port)
			add(one)
			f.MetaNames = append(f.MetaNames, addr+" is "+one)
		}
	}
}

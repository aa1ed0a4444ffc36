package sandbox

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
)

// configDump prints the configuration that the server started with as an ini file.
// With an argument a real server writes a file on its own disk; a sandbox only says so.
func configDump(s *server, args []string) string {
	if len(args) > 0 {
		return "config dump to file " + args[0] + "\n"
	}
	flags := append(s.c.startFlags(), s.clusterSettings()...)
	slices.SortStableFunc(flags, func(a, b flag) int { return cmp.Compare(a.Section, b.Section) })
	var b strings.Builder
	section := ""
	for _, f := range flags {
		if f.Section != section {
			if section != "" {
				b.WriteByte('\n')
			}
			section = f.Section
			fmt.Fprintf(&b, "[%s]\n", section)
		}
		if v, err := strconv.ParseFloat(f.Value, 64); f.Type == "FV_DOUBLE" && err == nil {
			f.Value = strconv.FormatFloat(v, 'f', 6, 64)
		}
		fmt.Fprintf(&b, "; %s\n%s = %s\n\n", f.Description, f.Name, f.Value)
	}
	b.WriteByte('\n')
	return b.String()
}

// clusterSettings are the settings that are no flags: ports, and who is who among
// clusters that duplicate to each other.
func (s *server) clusterSettings() []flag {
	c, peers := s.c, s.peers.get()
	list := []flag{
		{Section: "apps.meta", Name: "ports", Value: ports(c.MetaServers())},
		{Section: "apps.replica", Name: "ports", Value: ports(c.ReplicaServers())},
		{Section: "meta_server", Name: "server_list", Value: joinAddrs(c.MetaServers())},
	}
	providers := c.providers()
	for _, name := range slices.Sorted(maps.Keys(providers)) {
		section, p := "block_service."+name, providers[name]
		list = append(list, flag{Section: section, Name: "type", Value: p.kind}, flag{Section: section, Name: "args", Value: p.args})
	}
	for _, name := range slices.Sorted(maps.Keys(peers.metas)) {
		list = append(list, flag{Section: "pegasus.clusters", Name: name, Value: joinAddrs(peers.metas[name])})
	}
	for _, name := range slices.Sorted(maps.Keys(peers.ids)) {
		list = append(list, flag{Section: "duplication-group", Name: name, Value: strconv.Itoa(peers.ids[name])})
	}
	return list
}

// ports are the ports of addresses, with commas between them.
func ports(addrs []string) string {
	var list []string
	for _, addr := range addrs {
		if _, port, err := net.SplitHostPort(addr); err == nil {
			list = append(list, port)
		}
	}
	return strings.Join(list, ",")
}

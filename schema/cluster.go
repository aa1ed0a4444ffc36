package schema

import (
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func clusterSpec() bodySpec {
	return bodySpec{what: "a cluster block", attrs: []attrSpec{{name: "meta_servers", required: true}}}
}

// decodeCluster fills in the Cluster that references already point to.
func (l *loader) decodeCluster(b clusterBlock) {
	c := l.check(clusterSpec(), b.block.Body, b.block.DefRange())
	items, at, ok := l.textList(c, "meta_servers", true)
	if ok && len(items) == 0 {
		l.errorf(CodeNoMeta, at, `list them all: meta_servers = ["10.0.0.1:34601", "10.0.0.2:34601"]`, "cluster %q has no meta server", b.cluster.Label)
	}
	for _, item := range items {
		addr, problem := ParseAddress(item.text)
		switch {
		case problem != "":
			l.errorf(CodeAddress, item.at, `like "10.0.0.1:34601"`, "%q is not host:port: %s", item.text, problem)
		case slices.Contains(b.cluster.MetaServers, addr):
			l.warnf(CodeAddressTwice, item.at, "remove one", "%q is listed twice", addr)
		default:
			b.cluster.MetaServers = append(b.cluster.MetaServers, addr)
		}
	}
}

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?$`)

// ParseAddress checks a host:port without resolving it and gives it in a uniform way (host in lower
// case, port without leading zeros). problem is "" when the address is good. Pegasus' addresses are
// IPv4 (rpc_address carries 32 bits), so IPv6 is refused.
func ParseAddress(s string) (addr, problem string) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		if !strings.Contains(s, ":") {
			return "", "the port is missing"
		}
		if strings.Count(s, ":") > 1 {
			return "", "it has more than one colon"
		}
		return "", "malformed"
	}
	if host == "" {
		return "", "the host is missing"
	}
	if strings.Contains(host, ":") {
		return "", "Pegasus knows IPv4 only"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", "the port must be a number from 1 to 65535"
	}
	if len(host) > 253 || !hostPattern.MatchString(host) {
		return "", "the host has characters that no host name has"
	}
	if digitsAndDots(host) && net.ParseIP(host) == nil {
		return "", "the host is not an IPv4 address"
	}
	return net.JoinHostPort(strings.ToLower(host), strconv.FormatUint(n, 10)), ""
}

func digitsAndDots(host string) bool {
	return strings.Trim(host, "0123456789.") == ""
}

// sameCluster tells whether two blocks describe one cluster: a meta server belongs to one only.
func sameCluster(a, b *Cluster) bool {
	if a == b {
		return true
	}
	return slices.ContainsFunc(a.MetaServers, func(addr string) bool {
		return slices.ContainsFunc(b.MetaServers, func(other string) bool { return loopback(addr) == loopback(other) })
	})
}

// loopback writes localhost as the address that it stands for.
func loopback(addr string) string {
	if port, ok := strings.CutPrefix(addr, "localhost:"); ok {
		return "127.0.0.1:" + port
	}
	return addr
}

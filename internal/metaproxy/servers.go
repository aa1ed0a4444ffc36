package metaproxy

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// defaultPort is ZooKeeper's clientPort.
const defaultPort = "2181"

// ParseServers makes "host:port" addresses of what configurations and clusters give: elements may
// themselves be lists with commas, ports may be missing (2181), blanks are cut, repetitions dropped.
// A path behind the last address (the C client's chroot, which Pegasus' hosts_list may have) is cut
// off: it is where Pegasus keeps its own data, and MetaProxy's client knows no such thing.
func ParseServers(lists []string) ([]string, error) {
	var out []string
	for _, list := range lists {
		for part := range strings.SplitSeq(list, ",") {
			part, _, _ = strings.Cut(strings.TrimSpace(part), "/")
			if part == "" {
				continue
			}
			addr, err := withPort(part)
			if err != nil {
				return nil, err
			}
			if !slices.Contains(out, addr) {
				out = append(out, addr)
			}
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no ZooKeeper address is given")
	}
	return out, nil
}

func withPort(addr string) (string, error) {
	bare := strings.TrimSuffix(strings.TrimPrefix(addr, "["), "]")
	switch {
	case net.ParseIP(bare) != nil: // an IPv6 address has colons and no port
		return net.JoinHostPort(bare, defaultPort), nil
	case !strings.Contains(addr, ":"):
		return net.JoinHostPort(addr, defaultPort), nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" || port == "" {
		return "", fmt.Errorf("%q is no address of a ZooKeeper server (host:port)", addr)
	}
	return addr, nil
}

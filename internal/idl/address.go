package idl

import (
	"fmt"
	"net/netip"
)

// Addr is dsn.rpc_address: an IPv4 address and a port in one word,
// ip << 32 | port << 16 | 1 (src/rpc/rpc_address.h). 0 is the invalid address that
// stands for "none", e.g. for the primary of a partition that has none.
type Addr uint64

// addrIPv4 is the type tag in the low 16 bits of a valid address.
const addrIPv4 = 1

// ParseAddr reads "ip:port". Only IPv4 can be written; host names must have been
// resolved before.
func ParseAddr(s string) (Addr, error) {
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return 0, fmt.Errorf("server address %q: %w", s, err)
	}
	ip := ap.Addr().Unmap()
	if !ip.Is4() {
		return 0, fmt.Errorf("server address %q: Pegasus knows only IPv4", s)
	}
	b := ip.As4()
	word := uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
	return Addr(word<<32 | uint64(ap.Port())<<16 | addrIPv4), nil
}

// IsZero tells whether the address is not a usable one: 0, or of a type other than
// IPv4.
func (a Addr) IsZero() bool { return a&0xffff != addrIPv4 }

// String is "ip:port", or "" when IsZero.
func (a Addr) String() string {
	if a.IsZero() {
		return ""
	}
	ip := netip.AddrFrom4([4]byte{byte(a >> 56), byte(a >> 48), byte(a >> 40), byte(a >> 32)})
	return netip.AddrPortFrom(ip, uint16(a>>16)).String()
}

// HostPortType is the kind of a HostPort (src/rpc/rpc_host_port.h).
type HostPortType byte

// The kinds of a HostPort. A group does not travel in the messages of this package.
const (
	HostPortInvalid HostPortType = 0
	HostPortIPv4    HostPortType = 1
	HostPortGroup   HostPortType = 2
)

// HostPort is dsn.host_port, which servers newer than 2.5 send beside an Addr.
type HostPort struct {
	Host string
	Port uint16
	Type HostPortType
}

// String is "host:port", or "" for an invalid one.
func (h HostPort) String() string {
	if h.Type == HostPortInvalid {
		return ""
	}
	return fmt.Sprintf("%s:%d", h.Host, h.Port)
}

// Gpid names a partition: the app id of its table and its index.
type Gpid struct {
	AppID     int32
	Partition int32
}

// String is "app.partition", as servers print it.
func (g Gpid) String() string { return fmt.Sprintf("%d.%d", g.AppID, g.Partition) }

// ThreadHash is the header field by which a server picks the worker thread of a
// partition (src/common/gpid.h, thread_hash).
func (g Gpid) ThreadHash() int32 { return g.AppID*7919 + g.Partition }

// wire is the i64 form: app id in the low half, index in the high half.
func (g Gpid) wire() int64 { return int64(uint64(uint32(g.AppID)) | uint64(uint32(g.Partition))<<32) }

// gpidFromWire is the reverse of wire.
func gpidFromWire(v int64) Gpid { return Gpid{AppID: int32(v), Partition: int32(v >> 32)} }

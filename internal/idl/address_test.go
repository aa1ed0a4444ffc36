package idl

import (
	"testing"

	"pgregory.net/rapid"
)

func TestAddr(t *testing.T) {
	a, err := ParseAddr("127.0.0.1:34801")
	if err != nil || a != 0x7f00000187f10001 { // as recorded in testdata/wire
		t.Errorf("ParseAddr = %#x, %v", uint64(a), err)
	}
	for _, bad := range []string{"", "127.0.0.1", "127.0.0.1:70000", "[::1]:1", "host:1", "1.2.3:4", "1.2.3.4:-1"} {
		if a, err := ParseAddr(bad); err == nil {
			t.Errorf("ParseAddr(%q) = %v", bad, a)
		}
	}
	for _, none := range []Addr{0, 0x7f00000187f10000, 0x7f00000187f10002} {
		if !none.IsZero() || none.String() != "" {
			t.Errorf("%#x is %q", uint64(none), none)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a := Addr(rapid.Uint64().Draw(t, "a")&^0xffff | addrIPv4)
		if got, err := ParseAddr(a.String()); err != nil || got != a {
			t.Fatalf("%v parses to %v, %v", a, got, err)
		}
	})
}

func TestGpid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := Gpid{rapid.Int32().Draw(t, "app"), rapid.Int32().Draw(t, "partition")}
		if got := gpidFromWire(g.wire()); got != g {
			t.Fatalf("%v travels as %v", g, got)
		}
	})
	g := Gpid{AppID: 13, Partition: 3}
	if g.wire() != 0x000000030000000d || g.String() != "13.3" || g.ThreadHash() != 102950 {
		t.Errorf("%v is %#x on the wire, thread hash %d", g, g.wire(), g.ThreadHash())
	}
}

func TestHostPort(t *testing.T) {
	if got := (HostPort{Host: "h", Port: 1, Type: HostPortIPv4}).String(); got != "h:1" {
		t.Error(got)
	}
	if got := (HostPort{Host: "h", Port: 1}).String(); got != "" {
		t.Error(got)
	}
}

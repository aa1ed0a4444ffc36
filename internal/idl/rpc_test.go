package idl

import (
	"slices"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	all := All()
	if len(all) != len(metaRPCs())+len(serverRPCs()) {
		t.Errorf("%d entries have a name of their own, of %d", len(all), len(metaRPCs())+len(serverRPCs()))
	}
	if !slices.IsSortedFunc(all, func(a, b *RPC) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("All is not sorted")
	}
	for _, rpc := range all {
		if got, ok := Lookup(rpc.Name); !ok || got != rpc {
			t.Errorf("Lookup(%s) = %v, %v", rpc.Name, got, ok)
		}
		if rpc.Kind.String() == "unknown" || rpc.NewRequest == nil || rpc.OneWay == (rpc.NewResponse != nil) {
			t.Errorf("entry %+v", rpc)
		}
		if data := strings.HasPrefix(rpc.Name, "RPC_RRDB_"); data != (rpc.Kind == KindReplica) {
			t.Errorf("%s is of kind %v", rpc.Name, rpc.Kind)
		}
		if meta := strings.HasPrefix(rpc.Name, "RPC_CM_"); meta != (rpc.Kind == KindMeta) {
			t.Errorf("%s is of kind %v", rpc.Name, rpc.Kind)
		}
		if rpc.OneWay != (rpc.Name == NameClearScanner) {
			t.Errorf("%s: one-way %v", rpc.Name, rpc.OneWay)
		}
	}
	if rpc, ok := Lookup("RPC_NO_SUCH_THING"); ok {
		t.Errorf("found %v", rpc)
	}
}

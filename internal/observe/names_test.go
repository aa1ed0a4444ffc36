package observe

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/pegmigrate/pegmigrate/plan"
)

func TestNamesOfMetaServers(t *testing.T) {
	ask := func(_ context.Context, network, host string) ([]netip.Addr, error) {
		if network != "ip4" {
			t.Errorf("asked for %s", network)
		}
		switch host {
		case "metas.west":
			return []netip.Addr{netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("::ffff:10.1.0.1")}, nil
		case "empty.west":
			return nil, nil
		}
		return nil, errors.New("no such host")
	}
	var f plan.ClusterFacts
	resolve(t.Context(), &f, []string{"10.1.0.1:34601", "metas.west:34601", "gone.west:34602", "empty.west:34601"}, ask)
	if want := []string{"10.1.0.1:34601", "10.1.0.2:34601", "gone.west:34602", "empty.west:34601"}; !slices.Equal(f.MetaServers, want) {
		t.Errorf("metas %q", f.MetaServers)
	}
	if want := []string{"metas.west:34601 is 10.1.0.1:34601", "metas.west:34601 is 10.1.0.2:34601"}; !slices.Equal(f.MetaNames, want) {
		t.Errorf("names %q", f.MetaNames)
	}
	if want := []string{"gone.west:34602: no such host", "empty.west:34601: lookup empty.west: no IPv4 address"}; !slices.Equal(f.MetaUnresolved, want) {
		t.Errorf("unresolved %q", f.MetaUnresolved)
	}
}

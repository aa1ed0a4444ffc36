package sandbox

import (
	"strings"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// of sets the release of both clusters of a pair.
func of(version string) func(alpha, beta *Config) {
	return func(alpha, beta *Config) { alpha.Version, beta.Version = version, version }
}

func TestUnknownReleaseIsRefused(t *testing.T) {
	for _, version := range []string{"2.3.0", "2.5", "2.4.0-SNAPSHOT", "3.0.0"} {
		if c, err := Start(t.Context(), Config{Version: version}); err == nil {
			t.Errorf("%s: a cluster was started", version)
			_ = c.Close()
		}
	}
}

// What 2.4 does not have yet; the rest is as on 2.5.
func TestRelease240(t *testing.T) {
	a, b := pair(t, of(Version240))
	tc := loaded(t, a, TableSpec{Name: "t", Partitions: 1})
	m := meta(t, a)
	if info := command(t, a.MetaServers()[0], "server-info"); !strings.HasPrefix(info, "Pegasus Server 2.4.0 (") || !strings.Contains(info, ") Release, Started at ") {
		t.Errorf("server-info: %q", info)
	}
	if code := m.try(idl.RequestHeader{}, idl.NameRenameApp, &idl.RenameAppRequest{OldAppName: "t", NewAppName: "u"}, nil); code != idl.ErrHandlerNotFound {
		t.Errorf("rename: %s", string(code))
	}
	if code := m.try(idl.RequestHeader{}, idl.NameListDuplication, &idl.ListDuplicationRequest{}, nil); code != idl.ErrHandlerNotFound {
		t.Errorf("list_duplication: %s", string(code))
	}
	req := fullScan(10)
	req.OnlyReturnCount = new(true)
	count := tc.getScanner(0, req)
	if count.KvCount != nil || len(count.Kvs) != 10 {
		t.Errorf("only_return_count: %v, %d rows; 2.4 does not know it", count.KvCount, len(count.Kvs))
	}
	tc.add(true)
	tc.inState(idl.DupLog)
	tc.put("k", "s", "v", 0)
	tc.put("k", "s2", "v", 0)
	tc.arrived()
	sameRows(t, a, b, "t")
}

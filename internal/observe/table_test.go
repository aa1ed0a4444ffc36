package observe

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeNodes answers for nodes: the partitions that each of them holds, nil for one that is silent.
type fakeNodes struct {
	Cluster
	holds map[string][]int32
}

var errSilent = errors.New("connection refused")

func (f fakeNodes) DataVersions(_ context.Context, node string, _ int32) (map[int32]int32, error) {
	held := f.holds[node]
	if held == nil {
		return nil, errSilent
	}
	out := map[int32]int32{}
	for _, p := range held {
		out[p] = 1
	}
	return out, nil
}

func (f fakeNodes) PerfCounters(_ context.Context, node string, _ ...string) (map[string]float64, error) {
	return map[string]float64{
		"replica*app.pegasus*rdb.estimate_num_keys@7.0":  100,
		"replica*app.pegasus*disk.storage.sst(MB)@7.0":   2,
		"replica*app.pegasus*rdb.estimate_num_keys@70.1": 5,
	}, nil
}

func config() *pegasus.TableConfig {
	return &pegasus.TableConfig{AppID: 7, Partitions: []pegasus.PartitionConfig{
		{Index: 0, Primary: "a:1", Secondaries: []string{"b:1"}},
		{Index: 1, Primary: "b:1", Secondaries: []string{"a:1"}},
	}}
}

func TestReplicasOfASilentNode(t *testing.T) {
	for name, c := range map[string]struct {
		holds    map[string][]int32
		versions int
		rows     uint64
		fails    bool
	}{
		"all answer": {map[string][]int32{"a:1": {0, 1}, "b:1": {0, 1}}, 4, 100, false},
		"one is silent, the other has replicas of all": {map[string][]int32{"a:1": {0, 1}}, 2, 100, false},
		"a partition that nobody answers for":          {map[string][]int32{"a:1": {0}}, 0, 0, true},
		"all are silent":                               {nil, 0, 0, true},
	} {
		f := &plan.TableFacts{Name: "orders", ID: 7, DataVersions: map[int32]int{}}
		err := lookAtReplicas(t.Context(), fakeNodes{holds: c.holds}, f, []string{"a:1", "b:1"}, config())
		if c.fails {
			if !errors.Is(err, errSilent) || !strings.Contains(err.Error(), "b:1") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || f.DataVersions[1] != c.versions || f.Rows != c.rows || f.Bytes != 2<<20 {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
}

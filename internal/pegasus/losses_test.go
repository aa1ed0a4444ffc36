package pegasus

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

func TestLossCountsOfEitherVersion(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	c := k.open()
	answerAll(k, idl.NameRemoteCommand, func(r *request) idl.Message {
		a := args[idl.RemoteCommandRequest](r)
		if a.Cmd != "perf-counters-by-substr" || len(a.Arguments) != 1 || a.Arguments[0] != "dup_recent_mutation_loss_count@2." {
			t.Errorf("%+v", a)
		}
		return &idl.RemoteCommandResponse{Output: `{"result":"OK","timestamp":5,"counters":[
			{"name":"replica*eon.replica*dup_recent_mutation_loss_count@2.0","type":"VOLATILE_NUMBER","value":3},
			{"name":"replica*eon.replica*dup_recent_mutation_loss_count@2.1","type":"VOLATILE_NUMBER","value":0},
			{"name":"replica*eon.replica*dup_recent_mutation_loss_count@2.7","type":"VOLATILE_NUMBER","value":4},
			{"name":"replica*eon.replica*dup_recent_mutation_loss_count@12.0","type":"VOLATILE_NUMBER","value":1000},
			{"name":"replica*eon.replica*dup_recent_mutation_loss_count@2.x","type":"VOLATILE_NUMBER","value":1000}]}`}
	})
	got, err := c.LossCounts(t.Context(), k.nodes[0].addr, 2)
	if err != nil || got.Kept || got.Sum() != 7 || len(got.Partitions) != 2 || !got.At.Equal(time.Unix(5, 0)) {
		t.Errorf("%+v, %v", got, err)
	}
	if other := (LossCounts{At: time.Unix(5, 0), Partitions: map[int32]float64{0: 3, 7: 4}}); !got.SamePeriod(other) {
		t.Error("another period")
	}
	for _, other := range []LossCounts{{At: time.Unix(15, 0), Partitions: got.Partitions}, {At: got.At, Partitions: map[int32]float64{0: 3}}} {
		if got.SamePeriod(other) {
			t.Errorf("one period with %+v", other)
		}
	}

	partition := "4"
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("metrics") != "dup_recent_lost_mutations" || q.Get("attributes") != "table_id,2" {
			t.Error(r.URL)
		}
		one := func(table string, value float64) map[string]any {
			return map[string]any{"type": "replica", "id": "replica", "attributes": map[string]string{"table_id": table, "partition_id": partition},
				"metrics": []map[string]any{{"name": "dup_recent_lost_mutations", "value": value}}}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"timestamp_ns": 17, "entities": []any{one("2", 9), one("20", 1000)}})
	}))
	defer web.Close()
	node := strings.TrimPrefix(web.URL, "http://")
	got, err = c.lossesOfMetrics(t.Context(), node, 2)
	if err != nil || !got.Kept || got.Sum() != 9 || got.Partitions[4] != 9 {
		t.Errorf("%+v, %v", got, err)
	}
	partition = ""
	if got, err := c.lossesOfMetrics(t.Context(), node, 2); err == nil {
		t.Errorf("a replica of no partition: %+v", got)
	}
}

package pegasus

import (
	"math"
	"testing"
)

func FuzzDuplicationProgress(f *testing.F) {
	f.Add([]byte(`{"1795224761":{"13.2":{"duplicating":true,"fail_mode":"FAIL_SLOW","not_confirmed_mutations_num":9,"not_duplicated_mutations_num":1}}}`), 200)
	f.Add([]byte("no duplication assigned for app [appid=13]"), 404)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		got, err := parseDuplicationProgress(body, status, 13)
		if err != nil {
			return
		}
		for _, of := range got {
			for p, x := range of {
				if p < 0 || x.NotDuplicated < 0 || x.NotConfirmed < 0 {
					t.Errorf("%q: %d %+v", body, p, x)
				}
			}
		}
	})
}

func FuzzConfigDump(f *testing.F) {
	f.Add("[replication]\n; is duplication enabled\nduplication_enabled = true\n\n[duplication-group]\n; \nonebox1 = 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseConfigDump(text)
		if err == nil && len(d) == 0 {
			t.Error("nothing was read")
		}
		_, _, _ = d.ClusterIDs(), d.Clusters(), d.DuplicationEnabled()
	})
}

func FuzzCounters(f *testing.F) {
	f.Add(`{"result":"OK","timestamp":1795224106,"timestamp_str":"2026-11-21 01:21:46","counters":[{"name":"a@1.0","type":"RATE","value":0.5}]}`)
	f.Add(`{"build_type":"Release","git_SHA":"abc","start_time":"x","version":"2.6.0"}`)
	f.Add("Pegasus Server 2.5.0 (abc) Release, Started at 2026-11-21 00:56:59")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := parseCounters(text); err == nil {
			for name, v := range s.Values {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("%s is %v", name, v)
				}
			}
		}
		if info, err := parseServerInfo(text); err == nil && info.Version == "" {
			t.Errorf("%q has no version", text)
		}
	})
}

func FuzzMetrics(f *testing.F) {
	f.Add([]byte(laterMetrics), 200)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		m, err := parseMetrics(body, status)
		if err != nil {
			return
		}
		for _, e := range m.Entities {
			for name, v := range e.Values {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("%s is %v", name, v)
				}
			}
		}
	})
}

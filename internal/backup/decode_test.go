package backup

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeInfoOfAPolicy(t *testing.T) {
	got, err := decodeInfo([]byte(`{"backup_id":7,"start_time_ms":5,"end_time_ms":9,"app_ids":[1,2],"app_names":{"1":"a","2":"b"},"info_status":1}`))
	want := Info{ID: 7, Started: time.UnixMilli(5), Tables: map[int32]string{1: "a", 2: "b"}, Policy: true}
	if err != nil || cmp.Diff(want, got) != "" {
		t.Fatalf("%+v, %v", got, err)
	}
	got, err = decodeInfo([]byte(`{"backup_id":7,"start_time_ms":5,"end_time_ms":9,"app_ids":[1],"app_names":{"1":"a"},"info_status":2}`))
	if err != nil || !got.Deleting {
		t.Fatalf("%+v, %v", got, err)
	}
}

// TestDecodingRuleOfTheServers: src/common/json_helper.h, parsed_count == arguments_count || parsed_count == MemberCount.
func TestDecodingRuleOfTheServers(t *testing.T) {
	for _, test := range []struct {
		text string
		ok   bool
	}{
		{`{"app_id":1,"app_name":"a","partition_count":4}`, true},
		{` {"partition_count" : 4, "app_id":1,"app_name":"a"} `, true},
		{`{"app_id":1,"app_name":"a","partition_count":4,"cluster":"c"}`, true}, // as pegasus-spark writes it
		{`{"app_id":1,"partition_count":4}`, true},
		{`{"app_id":1,"partition_count":4,"cluster":"c"}`, false},
		{`{"APP_ID":1,"app_name":"a","partition_count":4}`, false},
		{`{"app_id":1.0,"app_name":"a","partition_count":4}`, false},
		{`{"app_id":"1","app_name":"a","partition_count":4}`, false},
		{`{"app_id":2147483648,"app_name":"a","partition_count":4}`, false},
		{`{"app_id":null,"app_name":"a","partition_count":4}`, false},
		{`{"app_id":1,"app_id":1,"app_name":"a","partition_count":4}`, false},
		{`{"app_id":1,"app_name":"a","partition_count":4}}`, false},
		{`{"app_id":1,"app_name":"a","partition_count":4`, false},
		{`[]`, false}, {``, false}, {`null`, false}, {"{\"app_name\":\"\xff\"}", false},
	} {
		if i, err := decodeBulkInfo([]byte(test.text)); (err == nil) != test.ok {
			t.Errorf("%s: %+v, %v", test.text, i, err)
		}
	}
}

func FuzzDecoders(f *testing.F) {
	for _, name := range []string{
		"../backup_info", "meta/app_metadata", "3/current_checkpoint", "3/chkpt_127.0.0.1_34802/backup_metadata",
	} {
		data, err := os.ReadFile("testdata/" + goldenPath + "/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"files":[{"name":"1.sst","size":3,"md5":""}],"file_total_size":3}`))
	f.Add([]byte(`{"backup_id":7,"start_time_ms":5,"end_time_ms":9,"app_ids":[1,2],"app_names":{"1":"a"},"info_status":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if a, err := decodeApp(data); err == nil && (a.PartitionCount <= 0 || a.ID <= 0 || a.Name == "") {
			t.Fatalf("%+v", a)
		}
		if i, err := decodeInfo(data); err == nil && (len(i.Tables) == 0 || i.ID <= 0) {
			t.Fatalf("%+v", i)
		}
		if c, err := decodeCheckpoint(data); err == nil {
			wantNoPaths(t, c.files)
		}
		if name, err := decodeCurrent(data); err == nil && !simpleName(name) {
			t.Fatalf("%q", name)
		}
		if i, err := decodeBulkInfo(data); err == nil {
			again, err := encodeJSON(i)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := decodeBulkInfo(again); err != nil || back != i {
				t.Fatalf("%+v: %s: %+v, %v", i, again, back, err)
			}
		}
		if m, err := decodeBulkMetadata(data); err == nil {
			wantNoPaths(t, m.Files)
			again, err := encodeJSON(m)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := decodeBulkMetadata(again); err != nil || cmp.Diff(m, back) != "" {
				t.Fatalf("%+v: %s: %+v, %v", m, again, back, err)
			}
		}
	})
}

func wantNoPaths(t *testing.T, files []File) {
	t.Helper()
	for _, f := range files {
		if !simpleName(f.Name) || f.Size < 0 {
			t.Fatalf("%+v", f)
		}
	}
}

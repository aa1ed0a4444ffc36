package schema

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2"

	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
)

// plain are the options of a copy that declares none.
func plain() CopyOptions { return CopyOptions{Overwrite: OverwriteAlways, MultiSet: MultiSetAuto} }

// TestCopyOptionsAreRead: every argument arrives where plan looks for it.
func TestCopyOptionsAreRead(t *testing.T) {
	cfg := mustLoad(t, "testdata/ok/copy.hcl", Vars{})
	for name, want := range map[string]*CopyMethod{
		"some": {SourceWrites: SourceWritesStopped, CopyOptions: CopyOptions{
			Partitions: []int32{0, 3, 7}, HashKey: "prefix:user_", SortKey: "exact:name", Value: `anywhere:\xff:\\`, DropTTL: true,
			Overwrite: OverwriteAlways, MultiSet: MultiSetOn, MultiSetRows: 200, MultiSetConcurrency: 8, ScanBatch: 500, Timeout: 8 * time.Second,
		}},
		"keys": {SourceWrites: SourceWritesFenced, CopyOptions: CopyOptions{
			HashKey: "exact:", DropValue: true, Overwrite: OverwriteNeverUnatomic, MultiSet: MultiSetOff,
		}},
		"live": {SourceWrites: SourceWritesCatchUp, CopyOptions: plain()},
		"places": {SourceWrites: SourceWritesStopped, CopyOptions: CopyOptions{Overwrite: OverwriteAlways, MultiSet: MultiSetAuto,
			Geo: &Geo{LatitudeIndex: 5, LongitudeIndex: 4, MinLevel: 12, OnUndecodable: UndecodableFail}}},
		"boxes": {SourceWrites: SourceWritesStopped, CopyOptions: CopyOptions{DropTTL: true, Overwrite: OverwriteAlways, MultiSet: MultiSetAuto,
			Geo: &Geo{LongitudeIndex: 1, OnUndecodable: UndecodableSkip}}},
	} {
		if diff := cmp.Diff(Method(want), cfg.Migration(name).Method); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	want := Limits{
		Window: []Window{{From: 22 * time.Hour, To: 6 * time.Hour, Zone: "Asia/Shanghai"}, {From: 12*time.Hour + 30*time.Minute, To: 13 * time.Hour, Zone: "UTC"}},
		StopIf: &StopIf{SourceP99: 50 * time.Millisecond, TargetP99: 100 * time.Millisecond, DiskFree: 0.15, PendingCompaction: 64 << 30, FailuresPerSecond: 0.5},
	}
	some := cfg.Migration("some")
	if diff := cmp.Diff(want, some.Limits, cmpopts.IgnoreTypes(hcl.Range{})); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	if got := want.Window[0].String() + ", " + want.Window[1].String(); got != "22:00-06:00 Asia/Shanghai, 12:30-13:00 UTC" {
		t.Errorf("windows are written %q", got)
	}
	if some.Verify.Mode != VerifySample || some.Verify.Sample != 0.025 {
		t.Errorf("sample: %+v", some.Verify)
	}
	if got := cfg.Migration("keys").Verify; got.Mode != VerifyCount || got.Sample != 0 {
		t.Errorf("count: %+v", got)
	}
	live := cfg.Migration("live")
	if !cmp.Equal(live.Approve, []string{GateCopy, GateFence, GateUnfence}) || live.After.Source != AfterKeepFenced {
		t.Errorf("live: %v, %q", live.Approve, live.After.Source)
	}
}

// TestDefaultsOfCatchUpAndSample: what is not declared is filled in.
func TestDefaultsOfCatchUpAndSample(t *testing.T) {
	cfg := mustLoad(t, write(t, map[string]string{"m.hcl": small("", `source_writes = "catch_up"`)}), Vars{})
	if m := cfg.Migrations[0]; m.After.Source != AfterUnfence || m.Verify.Mode != VerifyFull {
		t.Errorf("catch_up ends with %q, verify %q", m.After.Source, m.Verify.Mode)
	}
	src := strings.Replace(small("", ""), `method "copy" {`, "verify {\n mode = \"sample\"\n }\n method \"copy\" {", 1)
	cfg = mustLoad(t, write(t, map[string]string{"m.hcl": src}), Vars{})
	if got := cfg.Migrations[0].Verify.Sample; got != DefaultSample {
		t.Errorf("sample: %g", got)
	}
}

// FuzzFilterForm: what the language takes as a filter is exactly what the engines read.
func FuzzFilterForm(f *testing.F) {
	for _, s := range []string{"prefix:user_", "exact:", "anywhere:", "prefix:", `postfix:\xff\\`, `exact:\x0`, `exact:\`, "user_", "Prefix:a", "exact:a:b", `anywhere:\n`, "postfix:é", `exact:\xzz`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" {
			return // the engines take it as no filter, the language as a mistake
		}
		problem, hint := filterProblem(s)
		_, err := rowfilter.Parse(s)
		if (problem == "") != (err == nil) {
			t.Fatalf("%q: %q, and the engines say %v", s, problem, err)
		}
		if problem != "" && hint == "" {
			t.Fatalf("%q is refused without a hint", s)
		}
	})
}

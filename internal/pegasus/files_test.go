package pegasus

import (
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// recorded hands every recorded response of a request to use, decoded.
func recorded[R any, P metaReply[R]](t *testing.T, scenario, name string, use func(P)) {
	t.Helper()
	n := 0
	for _, x := range recording(t, scenario) {
		if x.Dir != "response" || strings.TrimSuffix(x.RPC, "_ACK") != name {
			continue
		}
		raw, err := hex.DecodeString(x.Frame)
		if err != nil {
			t.Fatal(err)
		}
		h, err := idl.DecodeResponseHead(raw)
		if err != nil {
			t.Fatal(err)
		}
		var d idl.Decoder
		resp := P(new(R))
		if err := h.DecodeResult(&d, resp); err != nil {
			t.Fatal(err)
		}
		n++
		use(resp)
	}
	if n == 0 {
		t.Fatalf("no %s in %s", name, scenario)
	}
}

// answerRecorded makes every server answer a request with the recorded responses, one after the other, the
// last one again and again.
func answerRecorded[R any, P metaReply[R]](t *testing.T, k *cluster, scenario, name string) {
	t.Helper()
	var all []P
	recorded(t, scenario, name, func(r P) { all = append(all, r) })
	answerAll(k, name, func(*request) idl.Message {
		r := all[0]
		if len(all) > 1 {
			all = all[1:]
		}
		return r
	})
}

func TestRecordedBackup(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	answerRecorded[idl.StartBackupAppResponse](t, k, "backup", idl.NameStartBackupApp)
	spec := BackupSpec{AppID: 14, Provider: "local_service", Path: "fixture_root"}
	for range 2 { // no such provider, no such table
		if _, err := c.StartBackup(t.Context(), spec); !errors.Is(err, idl.ErrInvalidParameters) || errors.Is(err, ErrBackupRunning) {
			t.Error(err)
		}
	}
	started, err := c.StartBackup(t.Context(), spec)
	if err != nil || started < 1_795_000_000_000 {
		t.Fatal(started, err)
	}
	if _, err := c.StartBackup(t.Context(), spec); !errors.Is(err, ErrBackupRunning) || !errors.Is(err, idl.ErrInvalidState) {
		t.Error(err)
	}
	answerRecorded[idl.QueryBackupStatusResponse](t, k, "backup", idl.NameQueryBackupStatus)
	running, ended, unknown := 0, 0, 0
	for range 14 {
		b, err := c.BackupStatus(t.Context(), 14, started)
		switch {
		case errors.Is(err, ErrBackupUnknown):
			unknown++
		case err != nil || b.Table != "fixture" || b.Provider != "local_service" || b.Path != "fixture_root" || b.Failed:
			t.Fatal(b, err)
		case b.Running():
			running++
		default:
			ended++
			if took := b.Ended.Sub(b.Started); took < time.Second || took > time.Minute {
				t.Errorf("it took %v", took)
			}
		}
	}
	if running == 0 || ended == 0 || unknown == 0 {
		t.Errorf("running %d, ended %d, unknown %d", running, ended, unknown)
	}
}

func TestStartBackupSendsWhatItIsTold(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	var sent []*idl.StartBackupAppRequest
	answerAll(k, idl.NameStartBackupApp, func(r *request) idl.Message {
		sent = append(sent, args[idl.StartBackupAppRequest](r))
		return &idl.StartBackupAppResponse{Err: idl.ErrOK, BackupID: new(int64(5))}
	})
	for _, path := range []string{"", "a/b"} {
		if id, err := c.StartBackup(t.Context(), BackupSpec{AppID: 7, Provider: "p", Path: path}); id != 5 || err != nil {
			t.Error(id, err)
		}
	}
	if want := []*idl.StartBackupAppRequest{{BackupProviderType: "p", AppID: 7}, {BackupProviderType: "p", AppID: 7, BackupPath: new("a/b")}}; !reflect.DeepEqual(sent, want) {
		t.Errorf("sent %+v", sent)
	}
}

// TestLostAnswers: what has side effects is sent once, and its outcome is told to be unknown.
func TestLostAnswers(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	for name, do := range map[string]func() error{
		idl.NameStartBackupApp: func() error {
			_, err := c.StartBackup(t.Context(), BackupSpec{AppID: 7, Provider: "p"})
			return err
		},
		idl.NameStartRestore: func() error {
			_, err := c.StartRestore(t.Context(), RestoreSpec{Root: "r", BackupID: 1, Table: "o", AppID: 7, NewTable: "n", Provider: "p"})
			return err
		},
		idl.NameStartBulkLoad:      func() error { return c.StartBulkLoad(t.Context(), BulkLoadSpec{Table: "o"}) },
		idl.NameControlBulkLoad:    func() error { return c.CancelBulkLoad(t.Context(), "o") },
		idl.NameStartManualCompact: func() error { return c.StartManualCompact(t.Context(), CompactionSpec{Table: "o"}) },
	} {
		answerAll(k, name, func(*request) idl.Message { return nil })
		if err := do(); !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("%s: %v", name, err)
		}
		if n := k.metas[0].count(name); n != 1 {
			t.Errorf("%s was sent %d times", name, n)
		}
	}
}

// TestBackupsOfAMetaThatDoesNotLead: it knows no app id, and says that instead of forwarding.
func TestBackupsOfAMetaThatDoesNotLead(t *testing.T) {
	k := newCluster(t, 2, 1, 1)
	const unknown = "Backup not found, please check app_id or backup_id."
	started := int64(1779430000000)
	c := k.open()
	k.set(func() {
		k.leader = 1
		k.hook = func(r *request) bool {
			k.mu.Lock()
			leads := r.server == k.metas[k.leader]
			k.mu.Unlock()
			switch {
			case r.Name == idl.NameStartBackupApp && leads:
				r.reply(&idl.StartBackupAppResponse{Err: idl.ErrOK, BackupID: &started})
			case r.Name == idl.NameStartBackupApp:
				r.reply(&idl.StartBackupAppResponse{Err: idl.ErrInvalidParameters})
			case r.Name == idl.NameQueryBackupStatus && leads:
				r.reply(&idl.QueryBackupStatusResponse{Err: idl.ErrInvalidParameters, HintMessage: unknown})
			case r.Name == idl.NameQueryBackupStatus:
				r.reply(&idl.QueryBackupStatusResponse{Err: idl.ErrInvalidParameters})
			default:
				return false
			}
			return true
		}
	})
	if id, err := c.StartBackup(t.Context(), BackupSpec{AppID: 7, Provider: "p"}); err != nil || id != started {
		t.Fatalf("started is %d, %v", id, err)
	}
	k.set(func() { k.leader = 0 })
	if _, err := c.BackupStatus(t.Context(), 7, started); !errors.Is(err, ErrBackupUnknown) {
		t.Errorf("the leader's answer is not told: %v", err)
	}
}

func TestBackupThatIsSwitchedOff(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	answerAll(k, idl.NameStartBackupApp, func(*request) idl.Message {
		return &idl.StartBackupAppResponse{Err: idl.ErrServiceNotActive}
	})
	if _, err := c.StartBackup(t.Context(), BackupSpec{AppID: 7, Provider: "p"}); !errors.Is(err, ErrBackupOff) {
		t.Error(err)
	}
}

func TestRecordedRestore(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	spec := RestoreSpec{Root: "onebox1", Path: "fixture_root", BackupID: 1, Table: "fixture", AppID: 14, NewTable: "restored", Provider: "local_service"}
	answerRecorded[idl.CreateAppResponse](t, k, "restore", idl.NameStartRestore)
	for _, want := range []error{idl.ErrInvalidParameters, idl.ErrObjectNotFound, idl.ErrInvalidParameters} {
		if _, err := c.StartRestore(t.Context(), spec); !errors.Is(err, want) {
			t.Error(err)
		}
	}
	if id, err := c.StartRestore(t.Context(), spec); id != 15 || err != nil {
		t.Error(id, err)
	}
	if _, err := c.StartRestore(t.Context(), RestoreSpec{NewTable: "restored"}); err == nil || k.metas[0].count(idl.NameStartRestore) != 4 {
		t.Error("a request that kills the meta was sent:", err)
	}
	var states []*idl.QueryRestoreStatusResponse
	recorded(t, "restore", idl.NameQueryRestoreStatus, func(r *idl.QueryRestoreStatusResponse) { states = append(states, r) })
	status := idl.AppAvailable
	k.set(func() {
		k.hook = func(r *request) bool {
			switch r.Name {
			case idl.NameListApps:
				r.reply(&idl.ListAppsResponse{Err: idl.ErrOK, Infos: []idl.AppInfo{{AppID: 15, AppName: "restored", Status: status}}})
			case idl.NameQueryRestoreStatus:
				r.reply(states[0])
				states = states[1:]
			default:
				return false
			}
			return true
		}
	})
	begun, done := false, false
	for range len(states) {
		parts, err := c.RestoreStatus(t.Context(), 15)
		if errors.Is(err, idl.ErrInvalidParameters) { // one of another id
			continue
		}
		if err != nil || len(parts) != 8 {
			t.Fatal(parts, err)
		}
		all := true
		for _, p := range parts {
			begun = begun || !p.Done()
			all = all && p.Done()
			if p.Code != idl.ErrOK {
				t.Errorf("%+v", p)
			}
		}
		done = done || all
	}
	if !begun || !done {
		t.Errorf("begun %v, done %v", begun, done)
	}
}

// TestRestoreStatusAsksOnlyWhatIsListed: a meta that is asked about an id which it has forgotten ends
// itself.
func TestRestoreStatusAsksOnlyWhatIsListed(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	answerAll(k, idl.NameListApps, func(*request) idl.Message {
		return &idl.ListAppsResponse{Err: idl.ErrOK, Infos: []idl.AppInfo{{AppID: 15, Status: idl.AppDropped}, {AppID: 16, Status: idl.AppDropping}}}
	})
	for id, want := range map[int32]error{15: ErrRestoreDropped, 16: ErrRestoreDropped, 17: ErrRestoreForgotten} {
		if _, err := c.RestoreStatus(t.Context(), id); !errors.Is(err, want) {
			t.Errorf("%d: %v", id, err)
		}
	}
	answerAll(k, idl.NameListApps, func(*request) idl.Message { return nil })
	if _, err := c.RestoreStatus(t.Context(), 15); err == nil {
		t.Error("no list, and no error")
	}
	if n := k.metas[0].count(idl.NameQueryRestoreStatus); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

func TestRecordedBulkLoad(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	spec := BulkLoadSpec{Table: "golden", Cluster: "onebox1", Provider: "local_service", Root: "blroot", IngestBehind: true}
	answerRecorded[idl.StartBulkLoadResponse](t, k, "bulk", idl.NameStartBulkLoad)
	for _, want := range []error{idl.ErrAppNotExist, idl.ErrInvalidParameters, idl.ErrObjectNotFound, idl.ErrInconsistentState, nil, ErrBulkLoadBusy} {
		if err := c.StartBulkLoad(t.Context(), spec); !errors.Is(err, want) {
			t.Errorf("%v instead of %v", err, want)
		}
	}
	answerRecorded[idl.ControlBulkLoadResponse](t, k, "bulk", idl.NameControlBulkLoad)
	if err := c.PauseBulkLoad(t.Context(), "golden"); !errors.Is(err, ErrNoBulkLoad) {
		t.Error(err)
	}
	if err := c.PauseBulkLoad(t.Context(), "golden"); err != nil {
		t.Error(err)
	}
	if err := c.ResumeBulkLoad(t.Context(), "golden"); err != nil {
		t.Error(err)
	}
	answerRecorded[idl.ClearBulkLoadResponse](t, k, "bulk", idl.NameClearBulkLoad)
	if err := c.ClearBulkLoad(t.Context(), "golden"); err != nil {
		t.Error(err)
	}
	answerRecorded[idl.QueryBulkLoadResponse](t, k, "bulk", idl.NameQueryBulkLoad)
	seen := map[idl.BulkLoadStatus]bool{}
	paused, loaded := false, false
	for range 25 {
		p, err := c.BulkLoadProgress(t.Context(), "golden")
		if errors.Is(err, idl.ErrAppNotExist) {
			continue
		}
		if err != nil || p.Failure != idl.ErrOK || len(p.Partitions) != 4 && len(p.Partitions) != 8 {
			t.Fatal(p, err)
		}
		seen[p.Status] = true
		for _, part := range p.Partitions {
			for _, r := range part.Replicas {
				paused = paused || r.Paused
				loaded = loaded || r.Percent == 100 && r.Download == idl.ErrOK
				if !strings.HasPrefix(r.Node, "127.0.0.1:3480") {
					t.Errorf("%+v", r)
				}
			}
		}
	}
	for _, s := range []idl.BulkLoadStatus{idl.BulkLoadInvalid, idl.BulkLoadDownloading, idl.BulkLoadPausing, idl.BulkLoadPaused,
		idl.BulkLoadDownloaded, idl.BulkLoadIngesting, idl.BulkLoadSucceed} {
		if !seen[s] {
			t.Errorf("%v was not seen", s)
		}
	}
	if !paused || !loaded {
		t.Errorf("paused %v, loaded %v", paused, loaded)
	}
}

func TestBulkLoadThatFailed(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	answerAll(k, idl.NameQueryBulkLoad, func(*request) idl.Message {
		return &idl.QueryBulkLoadResponse{Err: idl.ErrCorruption, AppStatus: idl.BulkLoadFailed, PartitionsStatus: []idl.BulkLoadStatus{idl.BulkLoadFailed}}
	})
	p, err := c.BulkLoadProgress(t.Context(), "o")
	if err != nil || p.Status != idl.BulkLoadFailed || p.Failure != idl.ErrCorruption || p.Loading {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestManualCompaction(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	answerRecorded[idl.QueryManualCompactResponse](t, k, "admin", idl.NameQueryManualCompact)
	if percent, running, err := c.ManualCompactProgress(t.Context(), "golden"); percent != 0 || running || err != nil {
		t.Error(percent, running, err)
	}
	answerAll(k, idl.NameQueryManualCompact, func(*request) idl.Message {
		return &idl.QueryManualCompactResponse{Err: idl.ErrOK, Progress: new(int32(41))}
	})
	if percent, running, err := c.ManualCompactProgress(t.Context(), "golden"); percent != 41 || !running || err != nil {
		t.Error(percent, running, err)
	}
	answerAll(k, idl.NameStartManualCompact, func(r *request) idl.Message {
		a := args[idl.StartManualCompactRequest](r)
		if a.TriggerTime != nil || *a.TargetLevel != -1 || !*a.Bottommost || *a.MaxRunningCount != 2 {
			t.Errorf("sent %+v", a)
		}
		return &idl.StartManualCompactResponse{Err: idl.ErrOperationDisabled}
	})
	err := c.StartManualCompact(t.Context(), CompactionSpec{Table: "golden", TargetLevel: -1, Bottommost: true, Running: 2})
	if !errors.Is(err, ErrCompactionDisabled) {
		t.Error(err)
	}
}

func TestProbeProvider(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	for _, code := range []idl.ErrorCode{idl.ErrObjectNotFound, idl.ErrInvalidParameters} {
		answerAll(k, idl.NameStartRestore, func(r *request) idl.Message {
			a := args[idl.StartRestoreRequest](r)
			if a.BackupProviderName != "hdfs_x" || a.RestorePath != nil || !strings.Contains(a.ClusterName, "pegmigrate") {
				t.Errorf("sent %+v", a)
			}
			return &idl.CreateAppResponse{Err: code, AppID: -1}
		})
		if got, err := c.ProbeProvider(t.Context(), "hdfs_x"); got != code || err != nil {
			t.Error(got, err)
		}
	}
	answerAll(k, idl.NameStartRestore, func(*request) idl.Message { return &idl.CreateAppResponse{Err: idl.ErrOK, AppID: 5} })
	if _, err := c.ProbeProvider(t.Context(), "hdfs_x"); err == nil {
		t.Error("a restore was taken")
	}
}

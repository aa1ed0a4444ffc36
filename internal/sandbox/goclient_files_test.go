package sandbox

import (
	"context"
	"testing"
	"time"

	"github.com/apache/incubator-pegasus/go-client/idl/admin"
	"github.com/apache/incubator-pegasus/go-client/pegalog"
	"github.com/apache/incubator-pegasus/go-client/session"
)

// TestGoClientFiles: Apache's client starts a backup, a load and a compaction, and reads how
// they are.
func TestGoClientFiles(t *testing.T) {
	pegalog.SetLogger(silentLogger{t})
	cfg := fast()
	cfg.TimeFactor, cfg.BlockServices = 200, map[string]string{provider: t.TempDir()}
	c := start(t, cfg)
	id := newTable(t, c, TableSpec{Name: "apache", Partitions: 2})
	metas := session.NewMetaManager(c.MetaServers(), session.NewNodeSession)
	t.Cleanup(func() { _ = metas.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	within := func() context.Context {
		one, stop := context.WithTimeout(ctx, goClientTimeout)
		t.Cleanup(stop)
		return one
	}
	started, err := metas.StartBackupApp(within(), &admin.StartBackupAppRequest{AppID: id, BackupProviderType: provider})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the backup", func() bool {
		s, err := metas.QueryBackupStatus(within(), &admin.QueryBackupStatusRequest{AppID: id, BackupID: started.BackupID})
		return err == nil && len(s.BackupItems) == 1 && s.BackupItems[0].EndTimeMs > 0
	})
	resp, err := metas.RestoreApp(within(), &admin.RestoreAppRequest{
		ClusterName: c.Name(), TimeStamp: *started.BackupID, AppName: "apache", AppID: id, NewAppName_: "copy", BackupProviderName: provider,
	})
	if err != nil || resp.Appid != id+1 {
		t.Fatal(resp, err)
	}
	healthy(t, c, "copy")
	_, err = metas.StartBulkLoad(within(), &admin.StartBulkLoadRequest{AppName: "apache", ClusterName: c.Name(), FileProviderType: provider, RemoteRootPath: "none"})
	if err == nil {
		t.Error("a load of nothing was accepted")
	}
	if s, err := metas.QueryBulkLoadStatus(within(), &admin.QueryBulkLoadRequest{AppName: "apache"}); err != nil || s.AppStatus != admin.BulkLoadStatus_BLS_INVALID {
		t.Error(s, err)
	}
	if _, err := metas.StartManualCompact(within(), &admin.StartAppManualCompactRequest{AppName: "apache"}); err != nil {
		t.Error(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if s, err := metas.QueryManualCompact(within(), &admin.QueryAppManualCompactRequest{AppName: "apache"}); err == nil && s.Progress != nil && *s.Progress == 100 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the compaction does not end")
		}
	}
}

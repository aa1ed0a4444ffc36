package pegasus

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
)

// BackupWork is what a replica server is doing about cold backups, of all tables.
type BackupWork struct {
	// At is the server's clock.
	At time.Time
	// Running is how many replicas upload or are about to.
	Running int
	// MaxUploaded is what the one that is furthest has uploaded, in bytes; 0 when none runs.
	MaxUploaded int64
	// Told says that the server has counted both.
	Told bool
}

// Quiet is the positive statement that nothing of a backup goes on.
func (w BackupWork) Quiet() bool { return w.Told && w.Running == 0 && w.MaxUploaded == 0 }

// Counters of a replica server up to 2.5 (src/replica/replica_stub.cpp), and metrics of its replicas
// since.
const (
	counterBackupRunning  = "cold.backup.running.count"
	counterBackupUploaded = "cold.backup.max.upload.file.size"
	metricBackupRunning   = "backup_running_count"
	metricBackupUploaded  = "backup_file_upload_max_bytes"

	counterLoadPrefix = "bulk.load."
)

// BackupWork asks a replica server of any version. Up to 2.5 the answer is as old as the server's last
// look at itself: ten seconds and more ([replication] gc_interval_ms for the counters of running
// backups).
func (c *Cluster) BackupWork(ctx context.Context, node string) (BackupWork, error) {
	s, err := c.CounterSnapshot(ctx, node, counterBackupRunning, counterBackupUploaded)
	switch {
	case err == nil:
		return backupWorkOfCounters(s), nil
	case errors.Is(err, ErrUnknownCommand):
		return c.backupWorkOfMetrics(ctx, node)
	}
	return BackupWork{}, err
}

func backupWorkOfCounters(s Counters) BackupWork {
	running, okRunning := s.Short(counterBackupRunning)
	uploaded, okUploaded := s.Short(counterBackupUploaded)
	return BackupWork{At: s.At, Running: int(running), MaxUploaded: int64(uploaded), Told: okRunning && okUploaded}
}

// Short finds a counter by the last part of its name, or by the last two, "<section>*<name>", where sections share it.
func (s Counters) Short(name string) (float64, bool) {
	for full, value := range s.Values {
		if full == name || strings.HasSuffix(full, "*"+name) {
			return value, true
		}
	}
	return 0, false
}

func (c *Cluster) backupWorkOfMetrics(ctx context.Context, node string) (BackupWork, error) {
	m, err := c.Metrics(ctx, node, MetricsQuery{Types: []string{"replica"}, Metrics: []string{metricBackupRunning, metricBackupUploaded}})
	if err != nil {
		return BackupWork{}, err
	}
	// A server without replicas has nothing to upload.
	w := BackupWork{At: m.At, Told: true}
	for _, e := range m.Entities {
		running, okRunning := e.Values[metricBackupRunning]
		uploaded, okUploaded := e.Values[metricBackupUploaded]
		w.Told = w.Told && okRunning && okUploaded
		w.Running += int(running)
		w.MaxUploaded = max(w.MaxUploaded, int64(uploaded))
	}
	return w, nil
}

// LoadWork is what a replica server is doing about bulk loads, of all tables.
type LoadWork struct {
	At time.Time
	// Running, Downloading and Ingesting count replicas. From 2.6 on only Running is a number of this
	// moment.
	Running, Downloading, Ingesting int
	// LongestIngestion is how long the slowest ingestion under way has been refusing writes.
	LongestIngestion time.Duration
}

// LoadWork asks a replica server of any version.
func (c *Cluster) LoadWork(ctx context.Context, node string) (LoadWork, error) {
	s, err := c.CounterSnapshot(ctx, node, counterLoadPrefix)
	if errors.Is(err, ErrUnknownCommand) {
		return c.loadWorkOfMetrics(ctx, node)
	}
	if err != nil {
		return LoadWork{}, err
	}
	count := func(name string) int {
		v, _ := s.Short(counterLoadPrefix + name)
		return int(v)
	}
	return LoadWork{At: s.At, Running: count("running.count"), Downloading: count("downloading.count"), Ingesting: count("ingestion.count"),
		LongestIngestion: time.Duration(count("max.ingestion.duration.time.ms")) * time.Millisecond}, nil
}

func (c *Cluster) loadWorkOfMetrics(ctx context.Context, node string) (LoadWork, error) {
	const running, longest = "bulk_load_running_count", "bulk_load_ingestion_max_duration_ms"
	m, err := c.Metrics(ctx, node, MetricsQuery{Types: []string{"server"}, Metrics: []string{running, longest}})
	if err != nil {
		return LoadWork{}, err
	}
	w := LoadWork{At: m.At}
	for _, e := range m.Entities {
		w.Running += int(e.Values[running])
		w.LongestIngestion = max(w.LongestIngestion, time.Duration(e.Values[longest])*time.Millisecond)
	}
	return w, nil
}

// CompactionWork is what the storage engines of the replicas of one table on one server say about
// compactions, by partition. Servers do not tell how many files lie in which level, nor what waits to
// be compacted: whether a table is still being compacted shows in two looks, of which the second has
// written no more bytes and has the same number of files.
type CompactionWork struct {
	At time.Time
	// Since says that Written is counted since the server started (2.6); otherwise it is of the server's
	// last period, ten seconds.
	Since      bool
	Partitions map[int32]PartitionCompaction
	// ManualRunning and ManualQueued are of all tables up to 2.5, of this table later.
	ManualRunning, ManualQueued int
}

// PartitionCompaction is one replica.
type PartitionCompaction struct {
	// Files is the number of SST files, Bytes their size to the MiB.
	Files int
	Bytes int64
	// Written is what compactions wrote, in bytes.
	Written int64
	// ReadAmplification is what RocksDB measured, 0 when nothing was read.
	ReadAmplification float64
}

// The counters of a replica up to 2.5 (src/server/pegasus_server_impl_init.cpp,
// pegasus_event_listener.cpp), and its metrics later.
const (
	counterFiles     = "disk.storage.sst.count@"
	counterFileMiB   = "disk.storage.sst(MB)@"
	counterCompacted = "recent_rdb_compaction_output_bytes@"
	counterReadAmp   = "rdb.read_amplification@"
	counterManual    = "manual.compact."
)

// CompactionWork asks a replica server of any version.
func (c *Cluster) CompactionWork(ctx context.Context, node string, appID int32) (CompactionWork, error) {
	at := strconv.Itoa(int(appID)) + "."
	s, err := c.CounterSnapshot(ctx, node, counterFiles+at, counterFileMiB+at, counterCompacted+at, counterReadAmp+at, counterManual)
	if errors.Is(err, ErrUnknownCommand) {
		return c.compactionWorkOfMetrics(ctx, node, appID)
	}
	if err != nil {
		return CompactionWork{}, err
	}
	return compactionWorkOfCounters(s, appID), nil
}

func compactionWorkOfCounters(s Counters, appID int32) CompactionWork {
	w := CompactionWork{At: s.At, Partitions: map[int32]PartitionCompaction{}}
	for full, value := range s.Values {
		name := full[strings.LastIndexByte(full, '*')+1:]
		switch name {
		case counterManual + "running.count":
			w.ManualRunning = int(value)
			continue
		case counterManual + "enqueue.count":
			w.ManualQueued = int(value)
			continue
		}
		at := strings.LastIndexByte(name, '@') + 1
		app, partition, ok := parseGpid(name[at:])
		if at == 0 || !ok || app != appID {
			continue
		}
		p := w.Partitions[partition]
		switch name[:at] {
		case counterFiles:
			p.Files = int(value)
		case counterFileMiB:
			p.Bytes = int64(value) << 20
		case counterCompacted:
			p.Written = int64(value)
		case counterReadAmp:
			p.ReadAmplification = value
		default:
			continue
		}
		w.Partitions[partition] = p
	}
	return w
}

func (c *Cluster) compactionWorkOfMetrics(ctx context.Context, node string, appID int32) (CompactionWork, error) {
	const (
		files, mib, written = "rdb_total_sst_files", "rdb_total_sst_size_mb", "rdb_compaction_output_bytes"
		readAmp             = "rdb_read_amplification"
		running, queued     = "rdb_manual_compact_running_tasks", "rdb_manual_compact_queued_tasks"
	)
	m, err := c.Metrics(ctx, node, MetricsQuery{Types: []string{"replica"}, TableID: appID,
		Metrics: []string{files, mib, written, readAmp, running, queued}})
	if err != nil {
		return CompactionWork{}, err
	}
	w := CompactionWork{At: m.At, Since: true, Partitions: map[int32]PartitionCompaction{}}
	for _, e := range m.Entities {
		partition, ok := partitionOf(e)
		if !ok {
			continue
		}
		w.Partitions[partition] = PartitionCompaction{Files: int(e.Values[files]), Bytes: int64(e.Values[mib]) << 20,
			Written: int64(e.Values[written]), ReadAmplification: e.Values[readAmp]}
		w.ManualRunning += int(e.Values[running])
		w.ManualQueued += int(e.Values[queued])
	}
	return w, nil
}

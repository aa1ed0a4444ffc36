package sandbox

import "time"

// Timing holds every interval of a cluster after division by the time factor.
// Data-plane times are not in it and never scaled: expiry of rows, throttling
// windows and delays, iteration limits.
type Timing struct {
	// ConfigSync is how often a replica server takes table envs from the meta:
	// [replication] config_sync_interval_ms = 30000.
	ConfigSync time.Duration
	// GroupCheck is how often a primary talks to its secondaries, which is when
	// they learn envs and when an idle partition gets an empty write:
	// [replication] group_check_interval_ms = 100000 (shipped config.ini).
	GroupCheck time.Duration
	// NodeGrace is how long after its death the meta counts a replica server as
	// dead: [replication] fd_grace_seconds = 22 (shipped config.ini).
	NodeGrace time.Duration
	// Assign and AssignSpread: a new table's primaries appear after Assign plus up
	// to AssignSpread (10 to 30 s were seen).
	Assign, AssignSpread time.Duration
	// Learn is how long adding one secondary takes.
	Learn time.Duration
	// Dropout is how long the meta waits for a lost replica's own server before it
	// takes another one: replica_assign_delay_ms_for_dropouts = 300000.
	Dropout time.Duration
	// MoveGap is the time without a primary while a primary moves.
	MoveGap time.Duration
	// Inactive is how long a primary whose group or ballot changed serves nothing while
	// the meta already lists it (replica_config.cpp: PS_INACTIVE until the meta's answer).
	Inactive time.Duration
	// Guardian is how often the meta looks at partitions (1 s here).
	Guardian time.Duration
	// Balance is how often a lively meta moves one primary: lb_interval_ms = 10000.
	Balance time.Duration
	// Election is how long a lost leader is missed, LeaderStart how long its
	// successor answers ERR_SERVICE_NOT_ACTIVE.
	Election, LeaderStart time.Duration
	// TableState is how long a table is CREATING or DROPPING before the meta answers
	// (server_state::process_one_partition after a write to ZooKeeper per partition).
	TableState time.Duration
	// MetaOpen is how long a meta that was started again answers ERR_HANDLER_NOT_FOUND.
	MetaOpen time.Duration
	// ScanContext is how long an unused scan context lives: 5 minutes
	// (pegasus_server_impl.cpp).
	ScanContext time.Duration
	// DupSync is how often a replica server and the meta tell each other about
	// duplications (DUPLICATION_SYNC_PERIOD_SECOND = 10).
	DupSync time.Duration
	// DupCheckpoint is how long the checkpoint takes that a duplication begins with: a
	// flush, 10 s of waiting, a copy (replica::background_async_checkpoint).
	DupCheckpoint time.Duration
	// DupPersist is how long the meta leaves a confirmed decree alone after it stored
	// one (PROGRESS_UPDATE_PERIOD_MS = 5000).
	DupPersist time.Duration
	// DupRetry is the time before a refused shipment is sent again (1 s), DupIdle how
	// often a duplication without work looks for some (100 ms), DupTimeout how long it
	// waits for an answer (100 s).
	DupRetry, DupIdle, DupTimeout time.Duration
	// FollowerRetry is the time before a follower's partition that could not copy its
	// checkpoint is given to a server again.
	FollowerRetry time.Duration

	// BackupPoll is how often the meta asks the primary of a partition how its backup is
	// (1 s), BackupRetry how long it waits for a primary (10 s).
	BackupPoll, BackupRetry time.Duration
	// BackupCheckpoint is how long the checkpoint of a backup takes; Upload and Download are
	// how long the files of one partition do, together: a small backup took 22 s, a restore 12 s.
	BackupCheckpoint, Upload, Download time.Duration
	// BulkPoll is how often the meta asks the primary of a partition how its bulk load is
	// (BULK_LOAD_REQUEST_INTERVAL = 10 s), BulkIngestPoll how often while it ingests from 2.6 on
	// (150 ms), BulkUnhealthy how long it waits for missing replicas (1 s).
	BulkPoll, BulkIngestPoll, BulkUnhealthy time.Duration
	// Ingest is how long RocksDB takes to take files in.
	Ingest time.Duration
	// RPCTimeout is how long servers wait for each other (5 s).
	RPCTimeout time.Duration
	// Compaction and ManualCompaction are how long those of a partition take.
	Compaction, ManualCompaction time.Duration
}

// newTiming divides the real intervals by factor. Nothing gets shorter than a
// millisecond, so that a large factor does not make the timers spin.
func newTiming(factor float64) Timing {
	scaled := func(d time.Duration) time.Duration {
		return max(time.Duration(float64(d)/factor), time.Millisecond)
	}
	return Timing{
		ConfigSync:   scaled(30 * time.Second),
		GroupCheck:   scaled(100 * time.Second),
		NodeGrace:    scaled(22 * time.Second),
		Assign:       scaled(10 * time.Second),
		AssignSpread: scaled(15 * time.Second),
		Learn:        scaled(2 * time.Second),
		Dropout:      scaled(300 * time.Second),
		MoveGap:      scaled(500 * time.Millisecond),
		Inactive:     scaled(500 * time.Millisecond),
		Guardian:     scaled(time.Second),
		Balance:      scaled(10 * time.Second),
		Election:     scaled(10 * time.Second),
		LeaderStart:  scaled(2 * time.Second),
		TableState:   scaled(time.Second),
		MetaOpen:     scaled(time.Second),
		ScanContext:  scaled(5 * time.Minute),

		DupSync:       scaled(10 * time.Second),
		DupCheckpoint: scaled(10*time.Second + 10*time.Millisecond),
		DupPersist:    scaled(5 * time.Second),
		DupRetry:      scaled(time.Second),
		DupIdle:       scaled(100 * time.Millisecond),
		DupTimeout:    scaled(100 * time.Second),
		FollowerRetry: scaled(10 * time.Second),

		BackupPoll:       scaled(time.Second),
		BackupRetry:      scaled(10 * time.Second),
		BackupCheckpoint: scaled(500 * time.Millisecond),
		Upload:           scaled(20100 * time.Millisecond),
		Download:         scaled(4 * time.Second),
		BulkPoll:         scaled(10 * time.Second),
		BulkIngestPoll:   scaled(150 * time.Millisecond),
		BulkUnhealthy:    scaled(time.Second),
		Ingest:           scaled(500 * time.Millisecond),
		RPCTimeout:       scaled(5 * time.Second),
		Compaction:       scaled(5 * time.Second),
		ManualCompaction: scaled(5 * time.Second),
	}
}

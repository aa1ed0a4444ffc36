package backup

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// File is one file of a checkpoint or of a bulk load (file_meta of the servers).
type File struct {
	Name string `json:"name"`
	// Size in bytes.
	Size int64 `json:"size"`
	// MD5 in lower-case hex.
	MD5 string `json:"md5"`
}

// App is what app_metadata says about the table when the backup began.
type App struct {
	Status         string
	Name           string
	ID             int32
	PartitionCount int32
	// InitialPartitions is the count at creation, lower than PartitionCount when the table was split since. Releases
	// before partition split wrote 0 or -1.
	InitialPartitions int32
	// MaxReplicaCount is the number of replicas that a restore makes; nothing compares it with the nodes that live.
	MaxReplicaCount int32
	// Envs is empty in backups of the servers, which leave it out.
	Envs map[string]string
	// Created is zero when the file does not say.
	Created     time.Time
	Duplicating bool
	BulkLoading bool
}

func decodeApp(data []byte) (App, error) {
	var (
		a                     App
		appType               string
		stateful              bool
		expire, created, drop int64
	)
	err := decodeObject(data, map[string]any{
		"status": &a.Status, "app_type": &appType, "app_name": &a.Name, "app_id": &a.ID,
		"partition_count": &a.PartitionCount, "envs": &a.Envs, "is_stateful": &stateful,
		"max_replica_count": &a.MaxReplicaCount, "expire_second": &expire, "create_second": &created,
		"drop_second": &drop, "duplicating": &a.Duplicating, "init_partition_count": &a.InitialPartitions,
		"is_bulk_loading": &a.BulkLoading,
	})
	switch {
	case err != nil:
		return App{}, err
	case a.Name == "" || a.ID <= 0:
		return App{}, fmt.Errorf("no app_name or app_id")
	case a.PartitionCount <= 0 || a.PartitionCount > maxPartitions:
		return App{}, fmt.Errorf("partition_count %d", a.PartitionCount)
	case a.MaxReplicaCount <= 0:
		return App{}, fmt.Errorf("max_replica_count %d", a.MaxReplicaCount)
	}
	if created > 0 {
		a.Created = time.Unix(created, 0)
	}
	return a, nil
}

// maxPartitions is no limit of the servers, but of what is believed: tables have thousands at most.
const maxPartitions = 1 << 20

// Info is what backup_info says. The times in it are of the meta server's clock; the end is not in it: servers write the
// file before they set that.
type Info struct {
	ID      int64
	Started time.Time
	// Tables maps app ids to names: one for a one-time backup, those of the policy for another.
	Tables map[int32]string
	// Policy says that a policy made the backup.
	Policy bool
	// Deleting says that the meta server is removing this backup of a policy.
	Deleting bool
}

// statusDeleting is backup_info_status::DELETING in src/meta/meta_backup_service.h.
const statusDeleting = 2

func decodeInfo(data []byte) (Info, error) {
	var (
		i              Info
		started, ended int64
		appID, status  int32
		name           string
		ids            []int32
		names          map[int32]string
	)
	common := map[string]any{"backup_id": &i.ID, "start_time_ms": &started, "end_time_ms": &ended}
	one := map[string]any{"app_id": &appID, "app_name": &name}
	policy := map[string]any{"app_ids": &ids, "app_names": &names, "info_status": &status}
	err := decodeObject(data, merged(common, one))
	if err == nil {
		i.Tables = map[int32]string{appID: name}
	} else if again := decodeObject(data, merged(common, policy)); again == nil {
		err, i.Policy, i.Tables, i.Deleting = nil, true, names, status == statusDeleting
	}
	switch {
	case err != nil:
		return Info{}, err
	case i.ID <= 0 || started <= 0:
		return Info{}, fmt.Errorf("no backup_id or start_time_ms")
	case len(i.Tables) == 0 || i.Tables[0] != "":
		return Info{}, fmt.Errorf("no table in it")
	}
	for id, name := range i.Tables {
		if id <= 0 || name == "" {
			return Info{}, fmt.Errorf("table %q with id %d", name, id)
		}
	}
	i.Started = time.UnixMilli(started)
	return i, nil
}

func merged(maps ...map[string]any) map[string]any {
	all := map[string]any{}
	for _, m := range maps {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

// checkpoint is what backup_metadata says.
type checkpoint struct {
	decree, taken, total int64
	files                []File
}

func decodeCheckpoint(data []byte) (checkpoint, error) {
	var c checkpoint
	err := decodeObject(data, map[string]any{
		"checkpoint_decree": &c.decree, "checkpoint_timestamp": &c.taken, "files": &c.files, "checkpoint_total_size": &c.total,
	})
	if err != nil {
		return checkpoint{}, err
	}
	if err := checkFiles(c.files, c.total, nameMetadata, false); err != nil {
		return checkpoint{}, err
	}
	if c.decree < 0 || c.taken <= 0 {
		return checkpoint{}, fmt.Errorf("decree %d, timestamp %d", c.decree, c.taken)
	}
	// What makes the files a RocksDB: without these two nothing opens it.
	manifest := func(f File) bool { return strings.HasPrefix(f.Name, "MANIFEST-") }
	if !slices.ContainsFunc(c.files, func(f File) bool { return f.Name == "CURRENT" }) || !slices.ContainsFunc(c.files, manifest) {
		return checkpoint{}, fmt.Errorf("it lists no CURRENT or no MANIFEST")
	}
	return c, nil
}

// decodeCurrent reads the name of the folder of a partition's checkpoint: chkpt_<host>_<port>.
func decodeCurrent(data []byte) (string, error) {
	name := string(data)
	if !strings.HasPrefix(name, checkpointPrefix) || !simpleName(name) {
		return "", fmt.Errorf("%q is no name of a checkpoint", name)
	}
	return name, nil
}

// checkFiles wants names without folders, each once, sizes, sums, and their total. reserved is the name of the file that
// lists them. Sums may be missing where the servers allow that.
func checkFiles(files []File, total int64, reserved string, sumless bool) error {
	var sum int64
	seen := make(map[string]bool, len(files))
	for _, f := range files {
		switch {
		case !simpleName(f.Name) || f.Name == reserved:
			return fmt.Errorf("it lists a file %q", f.Name)
		case seen[f.Name]:
			return fmt.Errorf("it lists %q twice", f.Name)
		case f.Size < 0 || sum+f.Size < sum:
			return fmt.Errorf("it says that %q has %d bytes", f.Name, f.Size)
		case !isMD5(f.MD5) && !(sumless && f.MD5 == ""):
			return fmt.Errorf("it says that the MD5 of %q is %q", f.Name, f.MD5)
		}
		seen[f.Name] = true
		sum += f.Size
	}
	if sum != total {
		return fmt.Errorf("its files have %d bytes together, and it says %d", sum, total)
	}
	return nil
}

// simpleName is a name of a file in its folder that no path can hide in, and that is no sidecar.
func simpleName(s string) bool {
	return fs.ValidPath(s) && path.Base(s) == s && !strings.HasPrefix(s, ".") && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == 0x7f || r == '\\'
	})
}

func isMD5(s string) bool {
	sum, err := hex.DecodeString(s)
	return err == nil && len(sum) == 16
}

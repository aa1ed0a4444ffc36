package backup

import (
	"path"
	"strconv"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/blobstore"
)

// Names of files (src/common/backup_common.cpp and bulk_load_common.cpp of 2.5.0).
const (
	nameInfo         = "backup_info"
	nameAppMetadata  = "app_metadata"
	nameCurrent      = "current_checkpoint"
	nameMetadata     = "backup_metadata"
	nameBulkInfo     = "bulk_load_info"
	nameBulkMetadata = "bulk_load_metadata"
	checkpointPrefix = "chkpt_"
)

// Dir is where the backup of one table lies.
type Dir struct {
	// Root is everything before the backup id: backup path, cold_backup_root and policy, as far as there are any; ""
	// when the store begins with the id.
	Root string
	// ID of the backup: the time of its start, in unix milliseconds.
	ID    int64
	Table string
	AppID int32
}

// String gives the folder of the table, below the root of the store.
func (d Dir) String() string { return path.Join(d.BackupDir(), d.Table+"_"+strconv.Itoa(int(d.AppID))) }

// BackupDir is the folder of the backup, which may hold several tables when a policy made it.
func (d Dir) BackupDir() string { return path.Join(d.Root, strconv.FormatInt(d.ID, 10)) }

func (d Dir) info() string                 { return path.Join(d.BackupDir(), nameInfo) }
func (d Dir) appMetadata() string          { return path.Join(d.String(), "meta", nameAppMetadata) }
func (d Dir) partition(i int) string       { return path.Join(d.String(), strconv.Itoa(i)) }
func (d Dir) current(i int) string         { return path.Join(d.partition(i), nameCurrent) }
func (d Dir) under(i int, c string) string { return path.Join(d.partition(i), c) }

// Restore gives the words with which a restore request names this place: the server joins restore_path, cluster_name
// (which is really the cold_backup_root), policy_name, id and table again. policy says that the last part of Root is the
// name of a policy, as releases up to 2.1 had it.
func (d Dir) Restore(policy bool) (restorePath, clusterName, policyName string) {
	rest := d.Root
	if policy {
		rest, policyName = cut(rest)
	}
	restorePath, clusterName = cut(rest)
	return restorePath, clusterName, policyName
}

func cut(p string) (before, last string) {
	dir, last := path.Split(p)
	return strings.TrimSuffix(dir, "/"), last
}

// ParseDir reads the path of a table's folder, <…>/<backup_id>/<app_name>_<app_id>, below the root of a store.
func ParseDir(p string) (Dir, error) {
	p = blobstore.Join(p)
	before, last := cut(p)
	root, id := cut(before)
	d := Dir{Root: root}
	var ok bool
	if d.Table, d.AppID, ok = parseTableDir(last); !ok {
		return Dir{}, invalid(p, "the last part of the path of a backed-up table is <app_name>_<app_id>, and %q is not", last)
	}
	if d.ID, ok = parseID(id); !ok {
		return Dir{}, invalid(p, "the part before %q is the backup id, a number, and %q is not", last, id)
	}
	return d, nil
}

// parseTableDir takes <app_name>_<app_id> apart; names may hold underscores themselves.
func parseTableDir(s string) (table string, id int32, ok bool) {
	at := strings.LastIndexByte(s, '_')
	if at <= 0 {
		return "", 0, false
	}
	n, ok := parseID(s[at+1:])
	if !ok || n > 1<<31-1 || !tableName(s[:at]) {
		return "", 0, false
	}
	return s[:at], int32(n), true
}

// tableName is the rule of the public clients; servers take anything, but a name with a slash has no folder.
func tableName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_.:", r)
	}) && s != "." && s != ".."
}

// parseID reads a positive number as servers write it: digits, no sign, no leading zero.
func parseID(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n > 0 && strconv.FormatInt(n, 10) == s
}

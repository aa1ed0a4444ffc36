package apply

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/plan"
)

// failure says what happened to a load that failed, where, and what to do (meta_bulk_load_service.cpp,
// handle_app_downloading and handle_app_ingestion; replica_bulk_loader.cpp).
func (l *loadRunner) failure(s LoadStatus) error {
	text, hint := loadFailure(s.Err)
	switch at := l.where(s); at {
	case "":
		text += "; the servers do not tell which replica it was: the meta server's log names it (\"meet unrecoverable error\", \"ingestion failed\")"
	default:
		text += "; " + at
	}
	if l.a.IngestBehind {
		if m, err := l.r.loadMemory(l.id); err == nil && len(m.Behind) > 0 {
			hint += fmt.Sprintf("; %s may have taken files in already, behind which no second file fits: `%s`, then apply again",
				plan.Counted(uint64(len(m.Behind)), "partition"), l.r.rollbackCommand())
		}
	}
	return &StepError{Step: l.id, Code: CodeLoad, Text: text, Hint: hint + "; the same command loads again from the start"}
}

// loadFailure translates the error code of a load that failed.
func loadFailure(code string) (text, hint string) {
	switch code {
	case "ERR_FILE_OPERATION_FAILED":
		return "the load failed: a replica server could not write a downloaded file (" + code + ")", "look at the disks of the replica servers: full, or failing"
	case "ERR_FS_INTERNAL":
		return "the load failed: a replica server could not read from the block service (" + code + ")", "look whether every replica server reaches the provider, and may read there"
	case "ERR_CORRUPTION":
		return "the load failed: a file is missing on the block service, or size or md5 are not what its metadata says (" + code + ")",
			"somebody changed the staged files, or replica servers do not see the same store; `split` makes them anew after a rollback"
	case "ERR_INGESTION_FAILED":
		return "the load failed: RocksDB of a replica refused the files, or one was damaged on its disk (" + code + ")",
			"the replica server's log has RocksDB's words; with ingest_behind: the table was not created with rocksdb.allow_ingest_behind, or its bottommost level is not empty"
	case "ERR_RETRY_EXHAUSTED":
		return "the load failed: it was rolled back to downloading more often than the servers allow (" + code + ", bulk_load_max_rollback_times)",
			"primaries moved, or requests to them failed, again and again: look at the health of the replica servers"
	case "", "ERR_OK", "ERR_UNKNOWN":
		return "the load failed, and the servers do not say why (" + orUnknown(code) + ")", "look at the logs of the meta server and of the replica servers"
	}
	return "the load failed: " + code, "look at the logs of the meta server and of the replica servers"
}

func orUnknown(code string) string {
	if code == "" || code == "ERR_OK" {
		return "ERR_UNKNOWN"
	}
	return code
}

// where names the replicas that complained, "" when none is known to have.
func (l *loadRunner) where(s LoadStatus) string {
	list := slices.Clone(l.seen)
	if len(list) == 0 {
		for _, p := range s.Partitions {
			if p.Status == blsFailed {
				list = append(list, fmt.Sprintf("partition %d", p.Partition))
			}
		}
		if len(list) == len(s.Partitions) { // all of them follow the table
			return ""
		}
	}
	return strings.Join(list[:min(len(list), 8)], ", ")
}

// refused translates what a start is refused with (facts of on_start_bulk_load and
// check_bulk_load_request_params).
func (l *loadRunner) refused(err error) error {
	words := err.Error()
	hint := "look at the meta server's log"
	for code, what := range map[string]string{
		"ERR_INCONSISTENT_STATE":    "the files are for another table id or partition count, or the table lacks rocksdb.allow_ingest_behind: `" + l.r.rollbackCommand() + "` and apply again",
		"ERR_INVALID_PARAMETERS":    fmt.Sprintf("the meta servers of %s have no [block_service.%s] in their configuration: add it, on replica servers too, and restart them", l.a.Target.Cluster, l.a.Staging.Provider.Name),
		"ERR_OBJECT_NOT_FOUND":      fmt.Sprintf("the meta server finds no bulk_load_info in %s: does it see the same store as this tool, root folder included?", stagingDir(l.a.Staging)),
		"ERR_FS_INTERNAL":           "the meta server cannot read from the block service: look whether it reaches it, and may read there",
		"ERR_FILE_OPERATION_FAILED": "the meta server cannot open bulk_load_info on the block service: look whether it reaches it",
		"ERR_CORRUPTION":            "bulk_load_info is damaged, or comes from another tool: `" + l.r.rollbackCommand() + "` and apply again",
	} {
		if strings.Contains(words, code) {
			hint = what
		}
	}
	return &StepError{Step: l.id, Code: CodeLoad, Text: "the servers refuse to load", Err: err, Hint: hint}
}

package pegasus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// What a replica server says instead of its progress (src/replica/replica_http_service.cpp).
var (
	// ErrNoPrimaryHere is wrapped when the server is the primary of no partition of the table.
	ErrNoPrimaryHere = errors.New("no primary of the table here")
	// ErrNoDuplicationHere is wrapped when its primaries have no duplication yet, or no more: they learn
	// of it with their next duplication sync.
	ErrNoDuplicationHere = errors.New("no duplication here")
	// ErrDuplicationOff is wrapped when the server runs without duplication ([replication]
	// duplication_enabled).
	ErrDuplicationOff = errors.New("duplication is not enabled")
)

// ReplicaProgress is how far one primary has shipped for one duplication.
type ReplicaProgress struct {
	// Duplicating is true while log is shipped: in DS_LOG, and not while it is paused or a checkpoint
	// is copied.
	Duplicating bool
	// NotDuplicated is the last committed decree of that moment less the last one shipped, NotConfirmed
	// less the last one that the meta has stored. Both are 0 or more.
	NotDuplicated, NotConfirmed int64
	// FailMode is the server's word, e.g. "FAIL_SLOW".
	FailMode string
	// RemoteTable is the follower's name, "" up to 2.5.
	RemoteTable string
}

// DuplicationProgress is what the primaries of a table on one replica server have shipped, by
// duplication id and partition. Partitions whose primary is elsewhere are not in it: absent is not
// zero. Errors: ErrNoPrimaryHere, ErrNoDuplicationHere, ErrDuplicationOff, or no answer that can be
// read.
func (c *Cluster) DuplicationProgress(ctx context.Context, node string, appID int32) (map[int32]map[int32]ReplicaProgress, error) {
	body, status, err := c.HTTPGet(ctx, node, "/replica/duplication?appid="+strconv.Itoa(int(appID)))
	if err != nil {
		return nil, err
	}
	out, err := parseDuplicationProgress(body, status, appID)
	if err != nil {
		return nil, fmt.Errorf("duplication of table %d on %s: %w", appID, node, err)
	}
	return out, nil
}

// parseDuplicationProgress reads the answer of /replica/duplication:
// {"<dupid>":{"<appid>.<partition>":{...}}}.
func parseDuplicationProgress(body []byte, status int, appID int32) (map[int32]map[int32]ReplicaProgress, error) {
	said := string(body)
	if status == http.StatusNotFound {
		at := fmt.Sprintf(" for app [appid=%d]", appID)
		switch {
		case strings.HasPrefix(said, "no primary"+at):
			return nil, ErrNoPrimaryHere
		case strings.HasPrefix(said, "no duplication assigned"+at):
			return nil, ErrNoDuplicationHere
		case strings.HasPrefix(said, "duplication is not enabled"):
			return nil, ErrDuplicationOff
		}
	}
	// Pointers: a member that is missing must not read as zero.
	var j map[string]map[string]struct {
		Duplicating   *bool  `json:"duplicating"`
		FailMode      string `json:"fail_mode"`
		NotConfirmed  *int64 `json:"not_confirmed_mutations_num"`
		NotDuplicated *int64 `json:"not_duplicated_mutations_num"`
		RemoteTable   string `json:"remote_app_name"`
	}
	if status != http.StatusOK || json.Unmarshal(body, &j) != nil || j == nil {
		return nil, fmt.Errorf("server answers %d %q", status, clip(said))
	}
	out := make(map[int32]map[int32]ReplicaProgress, len(j))
	for dup, partitions := range j {
		id, err := strconv.ParseInt(dup, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("duplication id: %w", err)
		}
		of := make(map[int32]ReplicaProgress, len(partitions))
		for gpid, x := range partitions {
			app, partition, ok := parseGpid(gpid)
			if !ok || app != appID {
				return nil, fmt.Errorf("partition %q in the answer about table %d", clip(gpid), appID)
			}
			if x.Duplicating == nil || x.NotConfirmed == nil || x.NotDuplicated == nil || *x.NotConfirmed < 0 || *x.NotDuplicated < 0 {
				return nil, fmt.Errorf("partition %s: incomplete: %q", gpid, clip(said))
			}
			of[partition] = ReplicaProgress{Duplicating: *x.Duplicating, NotDuplicated: *x.NotDuplicated,
				NotConfirmed: *x.NotConfirmed, FailMode: x.FailMode, RemoteTable: x.RemoteTable}
		}
		out[int32(id)] = of
	}
	return out, nil
}

// parseGpid reads "<app id>.<partition>".
func parseGpid(s string) (app, partition int32, ok bool) {
	left, right, ok := strings.Cut(s, ".")
	if !ok {
		return 0, 0, false
	}
	a, errA := strconv.ParseInt(left, 10, 32)
	p, errP := strconv.ParseInt(right, 10, 32)
	if errA != nil || errP != nil || a < 0 || p < 0 {
		return 0, 0, false
	}
	return int32(a), int32(p), true
}

package sandbox

import (
	"encoding/json"
	"slices"
)

// jsonAccepted tells whether servers take a JSON object with these known keys
// (src/common/json_helper.h): all of them are there, or nothing unknown is.
func jsonAccepted(data []byte, known []string) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil || fields == nil {
		return false
	}
	found, unknown := 0, false
	for key := range fields {
		if slices.Contains(known, key) {
			found++
		} else {
			unknown = true
		}
	}
	return found == len(known) || !unknown
}

// restoredApp is what a restore takes from app_metadata.
type restoredApp struct {
	AppType            string `json:"app_type"`
	AppName            string `json:"app_name"`
	AppID              int32  `json:"app_id"`
	PartitionCount     int32  `json:"partition_count"`
	MaxReplicaCount    int32  `json:"max_replica_count"`
	CreateSecond       int64  `json:"create_second"`
	InitPartitionCount int32  `json:"init_partition_count"`
	IsStateful         bool   `json:"-"`
	Stateful           int    `json:"is_stateful"`
}

// decodeAppMetadata reads app_metadata; ok is false for what servers do not take. A backup
// of a newer release has atomic_idempotent besides, which older ones skip as unknown.
func decodeAppMetadata(data []byte) (app restoredApp, ok bool) {
	known := []string{
		"status", "app_type", "app_name", "app_id", "partition_count", "envs", "is_stateful", "max_replica_count",
		"expire_second", "create_second", "drop_second", "duplicating", "init_partition_count", "is_bulk_loading",
	}
	if !jsonAccepted(data, known) || json.Unmarshal(data, &app) != nil || app.PartitionCount <= 0 || app.PartitionCount > maxPartitions {
		return app, false
	}
	app.IsStateful = app.Stateful != 0
	return app, true
}

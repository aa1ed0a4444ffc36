package pegasus

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// replicaLine is what a remote command said about one replica.
type replicaLine struct {
	primary bool
	text    string
}

// parseReplicaLines reads the output of a remote command that goes to replicas, by partition:
// "4 processed, 0 not found", then "    <app>.<partition>@<server>@<P|S> : <text>" per replica
// (src/replica/replica_stub.cpp, exec_command_on_replica).
func parseReplicaLines(out string, appID int32) (map[int32]replicaLine, error) {
	head, rest, _ := strings.Cut(out, "\n")
	if !strings.Contains(head, " processed, ") {
		return nil, fmt.Errorf("server says %q", clip(out))
	}
	all := map[int32]replicaLine{}
	for line := range strings.Lines(rest) {
		who, text, ok := strings.Cut(strings.TrimSpace(line), " : ")
		if !ok { // an empty text
			who, ok = strings.CutSuffix(strings.TrimSpace(line), " :")
		}
		parts := strings.Split(who, "@")
		app, partition, isReplica := parseGpid(parts[0])
		if !ok || !isReplica || len(parts) < 2 {
			return nil, fmt.Errorf("server says %q", clip(line))
		}
		if app != appID || len(parts) < 3 { // not asked for, or not found
			continue
		}
		all[partition] = replicaLine{primary: parts[len(parts)-1] == "P", text: text}
	}
	return all, nil
}

// ReplicaEnvs is what the storage engine of one replica has in force.
type ReplicaEnvs struct {
	Primary bool
	// Envs are those that the engine reports, e.g. rocksdb.usage_scenario: by far not all of the table's.
	Envs map[string]string
}

// ReplicaEnvs asks a replica server which envs the replicas of a table have in force, by partition. An
// env that the meta has stored reaches primaries with their next config sync and secondaries with the
// next group check.
func (c *Cluster) ReplicaEnvs(ctx context.Context, node string, appID int32) (map[int32]ReplicaEnvs, error) {
	out, err := c.RemoteCommand(ctx, node, "replica.query-app-envs", strconv.Itoa(int(appID)))
	if err != nil {
		return nil, err
	}
	lines, err := parseReplicaLines(out, appID)
	if err != nil {
		return nil, fmt.Errorf("replica.query-app-envs of %s: %w", node, err)
	}
	all := make(map[int32]ReplicaEnvs, len(lines))
	for partition, line := range lines {
		envs := map[string]string{}
		for pair := range strings.SplitSeq(line.text, ",") {
			if key, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok {
				envs[key] = value
			}
		}
		all[partition] = ReplicaEnvs{Primary: line.primary, Envs: envs}
	}
	return all, nil
}

// NumberCommand asks a server for a number that a remote command of that name sets, such as
// "nfs.max_send_rate_megabytes_per_disk" or "replica.max-concurrent-bulk-load-downloading-count".
// ErrUnknownCommand when the server does not have it.
func (c *Cluster) NumberCommand(ctx context.Context, node, name string) (int64, error) {
	out, err := c.RemoteCommand(ctx, node, name)
	if err != nil {
		return 0, err
	}
	text, err := numberAnswer(out, name)
	if err == nil {
		var n int64
		if n, err = strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("remote command %s on %s: %w", name, node, err)
}

// SetNumberCommand sets such a number, until the server restarts. Doing it twice is doing it once, but
// it is sent once.
func (c *Cluster) SetNumberCommand(ctx context.Context, node, name string, value int64) error {
	out, err := c.RemoteCommand(ctx, node, name, strconv.FormatInt(value, 10))
	if err != nil {
		return err
	}
	text, err := numberAnswer(out, name)
	if err == nil && text != "" && text != "OK" {
		err = fmt.Errorf("server says %q", clip(text))
	}
	if err != nil {
		return fmt.Errorf("remote command %s %d on %s: %w", name, value, node, err)
	}
	return nil
}

// numberAnswer reads "<n>", "OK" or "ERR: ..." (up to 2.5), or {"error":"ok","<name>":"<n>"}
// (src/utils/command_manager.h, set_int).
func numberAnswer(out, name string) (string, error) {
	out = strings.TrimSpace(out)
	if !strings.HasPrefix(out, "{") {
		if strings.HasPrefix(out, "ERR") {
			return "", fmt.Errorf("server says %q", clip(out))
		}
		return out, nil
	}
	var j map[string]string
	if err := json.Unmarshal([]byte(out), &j); err != nil {
		return "", fmt.Errorf("cannot be read: %q", clip(out))
	}
	if j["error"] != "ok" {
		return "", fmt.Errorf("server says %q", clip(j["error"]))
	}
	return j[name], nil
}

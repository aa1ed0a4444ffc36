package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// remoteRates are limits that remote commands change (src/nfs/nfs_server_impl.cpp, nfs_client_impl.cpp):
// in MB/s per disk. Their configured values are in section [nfs].
func remoteRates() []string {
	return []string{"nfs.max_send_rate_megabytes_per_disk", "nfs.max_copy_rate_megabytes_per_disk"}
}

// flagRates are limits that HTTP updateConfig changes, section [replication]: in MB/s per server
// (src/block_service/hdfs/hdfs_service.cpp).
func flagRates() []string {
	return []string{"hdfs_write_limit_rate_mb_per_sec", "hdfs_read_limit_rate_mb_per_sec"}
}

// rates finds transfer limits that differ from the server's configuration: a change at run time is
// not kept over a restart, so whoever made it meant it for a while.
func rates(ctx context.Context, c Cluster) ([]Leftover, error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	var out []Leftover
	var unseen error
	for _, n := range nodes {
		if !n.Alive {
			continue
		}
		found, err := ratesOf(ctx, c, n.Addr)
		out = append(out, found...)
		if err != nil {
			unseen = errors.Join(unseen, fmt.Errorf("transfer rates of %s: %w", n.Addr, err))
		}
	}
	return out, unseen
}

func ratesOf(ctx context.Context, c Cluster, node string) ([]Leftover, error) {
	// Never with an argument: the server would write a file of that name.
	dump, err := c.RemoteCommand(ctx, node, "config-dump")
	if err != nil {
		return nil, err
	}
	var out []Leftover
	changed := func(name, section, now, undo string) {
		configured, known := configuredValue(dump, section, strings.TrimPrefix(name, "nfs."))
		now = strings.TrimSpace(now)
		if !known || now == "" || now == configured {
			return
		}
		out = append(out, Leftover{Where: node, What: fmt.Sprintf("%s is %s, configured is %s", name, now, configured),
			Effect: "transfers between servers run at another rate until the server restarts", Undo: fmt.Sprintf(undo, configured)})
	}
	for _, name := range remoteRates() {
		if now, err := c.RemoteCommand(ctx, node, name); err == nil && isNumber(now) {
			changed(name, "nfs", now, "in the shell: remote_command -l "+node+" "+name+" %s")
		}
	}
	for _, name := range flagRates() {
		if now, err := c.ConfigValue(ctx, node, name); err == nil {
			changed(name, "replication", now, "curl 'http://"+node+"/updateConfig?"+name+"=%s'")
		}
	}
	return out, nil
}

// configuredValue finds a key of a section in a configuration in ini form.
func configuredValue(dump, section, key string) (string, bool) {
	inside := false
	for line := range strings.Lines(dump) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			inside = strings.TrimSuffix(strings.TrimPrefix(line, "["), "]") == section
			continue
		}
		if name, value, ok := strings.Cut(line, "="); ok && inside && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

// isNumber keeps answers such as "unknown command" out.
func isNumber(s string) bool {
	s = strings.TrimSpace(s)
	return s != "" && !slices.ContainsFunc([]byte(s), func(b byte) bool { return b < '0' || b > '9' })
}

package pegasus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// ErrUnknownCommand is wrapped when a server does not have a remote command.
var ErrUnknownCommand = errors.New("unknown remote command")

// ReplicaInfos lists all replicas on a node, of all tables.
func (c *Cluster) ReplicaInfos(ctx context.Context, node string) ([]ReplicaInfo, error) {
	var resp idl.QueryReplicaInfoResponse
	addr, err := idl.ParseAddr(node)
	if err == nil {
		err = c.callNode(ctx, node, idl.NameQueryReplicaInfo, true, &idl.QueryReplicaInfoRequest{Node: addr}, &resp)
	}
	if err == nil {
		err = refusal(c, idl.NameQueryReplicaInfo, node, resp.Err, "")
	}
	if err != nil {
		return nil, fmt.Errorf("replicas on %s: %w", node, err)
	}
	out := make([]ReplicaInfo, len(resp.Replicas))
	for i, r := range resp.Replicas {
		out[i] = ReplicaInfo{
			AppID: r.Pid.AppID, Partition: r.Pid.Partition, Ballot: r.Ballot,
			Status: r.Status.String(), Primary: r.Status == idl.ReplicaPrimary,
			Committed: r.LastCommittedDecree, Prepared: r.LastPreparedDecree, Durable: r.LastDurableDecree,
		}
	}
	return out, nil
}

// DiskInfo asks a node for the room on its disks.
func (c *Cluster) DiskInfo(ctx context.Context, node string) (DiskInfo, error) {
	var resp idl.QueryDiskInfoResponse
	addr, err := idl.ParseAddr(node)
	if err == nil {
		err = c.callNode(ctx, node, idl.NameQueryDiskInfo, true, &idl.QueryDiskInfoRequest{Node: addr}, &resp)
	}
	if err == nil {
		err = refusal(c, idl.NameQueryDiskInfo, node, resp.Err, "")
	}
	if err != nil {
		return DiskInfo{}, fmt.Errorf("disks of %s: %w", node, err)
	}
	out := DiskInfo{TotalMB: resp.TotalCapacityMb, AvailableMB: resp.TotalAvailableMb}
	for _, d := range resp.DiskInfos {
		out.Disks = append(out.Disks, Disk{Tag: d.Tag, Dir: d.FullDir, TotalMB: d.DiskCapacityMb, AvailableMB: d.DiskAvailableMb})
	}
	return out, nil
}

// RemoteCommand runs a remote command on any server and returns its text. A command that
// the server does not have is ErrUnknownCommand. The request is sent once: commands may
// change things.
func (c *Cluster) RemoteCommand(ctx context.Context, node, cmd string, args ...string) (string, error) {
	var resp idl.RemoteCommandResponse
	err := c.callNode(ctx, node, idl.NameRemoteCommand, false, &idl.RemoteCommandRequest{Cmd: cmd, Arguments: args}, &resp)
	if err == nil && strings.HasPrefix(resp.Output, "unknown command '") {
		err = ErrUnknownCommand
	}
	if err != nil {
		return "", fmt.Errorf("remote command %s on %s: %w", cmd, node, err)
	}
	return resp.Output, nil
}

// nodeAttempts is how often a server is asked whose connection turns out to be lost:
// one that has been restarted since the last question looks like that.
const nodeAttempts = 3

// callNode sends a request that is not about rows to a server, meta or replica. A lost
// connection makes it ask again, if again allows that or the request did not leave.
func (c *Cluster) callNode(ctx context.Context, node, name string, again bool, req, resp idl.Message) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RPCTimeout)
	defer cancel()
	for n := 1; ; n++ {
		err := c.tryNode(ctx, node, name, req, resp)
		if err == nil || n == nodeAttempts || shut(err) || !isConnError(err) || !again && wire.MaybeSent(err) {
			return err
		}
		if !c.rest(ctx, pause(n)) {
			return err
		}
	}
}

func (c *Cluster) tryNode(ctx context.Context, node, name string, req, resp idl.Message) error {
	c.mu.Lock()
	m := c.metas[node]
	c.mu.Unlock()
	if m != nil {
		return m.Call(ctx, c.metaHeader(ctx), name, req, resp)
	}
	n, err := c.node(node)
	if err != nil {
		return err
	}
	return n.Call(ctx, c.metaHeader(ctx), name, req, resp)
}

// ServerInfo is what a server says about itself.
type ServerInfo struct {
	// Version is e.g. "2.5.0" or "2.6.0-SNAPSHOT".
	Version string
	// Commit, Build ("Release") and Started (the server's local time, as it prints it)
	// are for people.
	Commit, Build, Started string
}

// ServerVersion is the version of a server, e.g. "2.5.0".
func (c *Cluster) ServerVersion(ctx context.Context, node string) (string, error) {
	info, err := c.ServerInfo(ctx, node)
	return info.Version, err
}

// ServerInfo asks a server for its version and start.
func (c *Cluster) ServerInfo(ctx context.Context, node string) (ServerInfo, error) {
	out, err := c.RemoteCommand(ctx, node, "server-info")
	if err != nil {
		return ServerInfo{}, err
	}
	info, err := parseServerInfo(out)
	if err != nil {
		return ServerInfo{}, fmt.Errorf("server-info of %s: %w", node, err)
	}
	return info, nil
}

// parseServerInfo reads the output of server-info: a line of text up to 2.5, JSON
// after.
func parseServerInfo(out string) (ServerInfo, error) {
	out = strings.TrimSpace(out)
	if strings.HasPrefix(out, "{") {
		var j struct {
			Version string `json:"version"`
			Commit  string `json:"git_SHA"`
			Build   string `json:"build_type"`
			Started string `json:"start_time"`
		}
		if err := json.Unmarshal([]byte(out), &j); err != nil || j.Version == "" {
			return ServerInfo{}, fmt.Errorf("cannot be read: %q", clip(out))
		}
		return ServerInfo(j), nil
	}
	// Pegasus Server 2.5.0 (0ca31b70...) Release, Started at 2026-11-21 00:56:59
	rest, ok := strings.CutPrefix(out, "Pegasus Server ")
	head, started, _ := strings.Cut(rest, ", Started at ")
	fields := strings.Fields(head)
	if !ok || len(fields) == 0 {
		return ServerInfo{}, fmt.Errorf("cannot be read: %q", clip(out))
	}
	info := ServerInfo{Version: fields[0], Started: started}
	if len(fields) > 1 {
		info.Commit = strings.Trim(fields[1], "()")
	}
	if len(fields) > 2 {
		info.Build = fields[2]
	}
	return info, nil
}

// clip shortens a server's text for an error.
func clip(s string) string { return s[:min(len(s), 200)] }

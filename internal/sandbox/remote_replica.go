package sandbox

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// onReplicas makes a command that asks the serving replicas of a server: all of them,
// or those named by arguments like "1" (a table) or "1.0,2.3" (partitions).
func onReplicas(ask func(*replica) string) remoteCommand {
	return func(s *server, args []string) string {
		tables, gpids, ok := parseIDs(args)
		if !ok {
			return "invalid arguments"
		}
		var lines []string
		missing := slices.Clone(gpids)
		for _, r := range s.node.sorted() {
			if len(args) > 0 && !slices.Contains(tables, r.gpid.AppID) && !slices.Contains(gpids, r.gpid) {
				continue
			}
			if role := r.role(); role != "" {
				lines = append(lines, fmt.Sprintf("\n    %s@%s@%s : %s", gpidText(r.gpid), s.addr, role, ask(r)))
				missing = slices.DeleteFunc(missing, func(g idl.Gpid) bool { return g == r.gpid })
			}
		}
		head := fmt.Sprintf("%d processed, %d not found", len(lines), len(missing))
		for _, g := range missing {
			lines = append(lines, fmt.Sprintf("\n    %s@%s : not found", gpidText(g), s.addr))
		}
		return head + strings.Join(lines, "")
	}
}

// parseIDs reads tables and partitions out of the arguments.
func parseIDs(args []string) (tables []int32, gpids []idl.Gpid, ok bool) {
	for _, arg := range args {
		for id := range strings.SplitSeq(arg, ",") {
			if id = strings.TrimSpace(id); id == "" {
				continue
			}
			app, part, isPartition := strings.Cut(id, ".")
			appID, err := strconv.ParseInt(app, 10, 32)
			if err != nil {
				return nil, nil, false
			}
			if !isPartition {
				tables = append(tables, int32(appID))
				continue
			}
			index, err := strconv.ParseInt(part, 10, 32)
			if err != nil {
				return nil, nil, false
			}
			gpid := idl.Gpid{AppID: int32(appID), Partition: int32(index)}
			if !slices.Contains(gpids, gpid) {
				gpids = append(gpids, gpid)
			}
		}
	}
	return tables, gpids, true
}

func gpidText(g idl.Gpid) string { return fmt.Sprintf("%d.%d", g.AppID, g.Partition) }

// role is "P" for a primary, "S" for a secondary, "" for a replica that does not
// serve.
func (r *replica) role() string {
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	switch r.status {
	case idl.ReplicaPrimary:
		return "P"
	case idl.ReplicaSecondary:
		return "S"
	default:
		return ""
	}
}

// openEnvs are the settings of the storage engine that envs can change. The command
// does not show any other env.
func (r *replica) openEnvs() string {
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	levels, buffer := r.env.envs[envNumLevels], r.env.envs[envWriteBuffer]
	return fmt.Sprintf("%s=%s,%s=%s,%s=%s",
		envNumLevels, orDefault(levels, "6"),
		envUsageScenario, r.env.scenario,
		envWriteBuffer, orDefault(buffer, "67108864"))
}

// compactState tells about the last manual compaction and the one at work.
func (r *replica) compactState() string {
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	return r.manual.describe()
}

// checkpoint writes everything up to the last decree to the disk.
func (r *replica) checkpoint() string {
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	r.part.takeCheckpoint()
	return "triggered"
}

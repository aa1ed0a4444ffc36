package sandbox

import (
	"fmt"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// remoteCommand executes one remote command on a server and returns its output.
type remoteCommand func(s *server, args []string) string

// remoteEntry is a command and the servers that know it.
type remoteEntry struct {
	run  remoteCommand
	kind serverKind
}

// remoteCommands are the commands that servers know, by name, up to 2.5. What help lists
// beyond them answers as an unknown command does, see GAPS.md.
func remoteCommands() map[string]remoteEntry {
	const all = onMeta | onReplica
	return map[string]remoteEntry{
		"help":        {help, all},
		"server-info": {serverInfo, all},
		"server-stat": {serverStat, all},
		"config-dump": {configDump, all},

		"perf-counters":            {countersByRegexp, all},
		"perf-counters-by-substr":  {countersMatching(strings.Contains), all},
		"perf-counters-by-prefix":  {countersMatching(strings.HasPrefix), all},
		"perf-counters-by-postfix": {countersMatching(strings.HasSuffix), all},

		"nfs.max_send_rate_megabytes_per_disk": {nfsRate(flagNFSSendRate, false), onReplica},
		"nfs.max_copy_rate_megabytes_per_disk": {nfsRate(flagNFSCopyRate, true), onReplica},

		"replica.deny-client":        {denyClient, onReplica},
		"replica.query-app-envs":     {onReplicas((*replica).openEnvs), onReplica},
		"replica.query-compact":      {onReplicas((*replica).compactState), onReplica},
		"replica.trigger-checkpoint": {onReplicas((*replica).checkpoint), onReplica},

		"replica.max-concurrent-bulk-load-downloading-count": {maxDownloads, onReplica},
	}
}

// remoteHandlers are the handlers for remote commands, the same on all servers.
func remoteHandlers() []registration {
	commands := remoteCommands()
	run := func(q *request, out []byte) []byte {
		var req idl.RemoteCommandRequest
		if !q.decode(&req) {
			return out
		}
		output := fmt.Sprintf("unknown command '%s'", req.Cmd)
		if command, ok := commands[req.Cmd]; ok && q.srv.c.release.hasCommand(req.Cmd) && command.kind&q.srv.kind() != 0 {
			output = command.run(q.srv, req.Arguments)
		}
		return q.reply(out, &idl.RemoteCommandResponse{Output: output})
	}
	return []registration{{idl.NameRemoteCommand, run, onMeta | onReplica}}
}

// gitCommit is the commit that the sandbox claims to be built from: the v2.5.0 tag.
const gitCommit = "0ca31b70eac7321bb17fb034105695597245d47b"

// timeFormat is how servers print times.
const timeFormat = "2006-01-02 15:04:05"

// serverInfo tells version, commit, kind of build and time of start; 2.6 does it in JSON.
func serverInfo(s *server, _ []string) string {
	if s.c.release >= release26 {
		var out jsonObject
		out.field("build_type", "Release")
		out.field("git_SHA", s.c.release.gitCommit())
		out.field("start_time", s.startedAt())
		out.field("version", s.c.release.version())
		return out.text()
	}
	return fmt.Sprintf("Pegasus Server %s (%s) Release, Started at %s", s.c.release.version(), s.c.release.gitCommit(), s.startedAt())
}

// startedAt is when the process started, in UTC.
func (s *server) startedAt() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started.UTC().Format(timeFormat)
}

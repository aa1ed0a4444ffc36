package sandbox

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// remoteCommand executes one remote command on a server and returns its output.
type remoteCommand func(s *server, args []string) string

// remoteCommands are the commands that servers know, by name.
func remoteCommands() map[string]remoteCommand {
	return map[string]remoteCommand{
		"server-info": serverInfo,
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
		if command, ok := commands[req.Cmd]; ok {
			output = command(q.srv, req.Arguments)
		}
		return q.reply(out, &idl.RemoteCommandResponse{Output: output})
	}
	return []registration{{idl.NameRemoteCommand, run, onMeta | onReplica}}
}

// gitCommit is the commit that the sandbox claims to be built from: the v2.5.0 tag.
const gitCommit = "0ca31b70eac7321bb17fb034105695597245d47b"

// serverInfo tells version, commit, kind of build and time of start.
func serverInfo(s *server, _ []string) string {
	return fmt.Sprintf("Pegasus Server %s (%s) Release, Started at %s", s.c.cfg.Version, gitCommit, s.startedAt())
}

// startedAt is when the process started, as servers print times.
func (s *server) startedAt() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started.UTC().Format("2006-01-02 15:04:05")
}

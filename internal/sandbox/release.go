package sandbox

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// The server releases that the sandbox behaves as. Version260 is the state of master
// before that release: its servers call themselves 2.6.0-SNAPSHOT.
const (
	Version240 = "2.4.0"
	Version250 = "2.5.0"
	Version260 = "2.6.0"
)

// Versions are all of them, the oldest first.
func Versions() []string { return []string{Version240, Version250, Version260} }

// release is the second number of a version.
type release int

// The releases in which something changed.
const (
	release24 release = 4
	release25 release = 5
	release26 release = 6
)

// releaseOf finds the release of a version.
func releaseOf(version string) (release, error) {
	i := slices.Index(Versions(), version)
	if i < 0 {
		return 0, fmt.Errorf("sandbox: version %q is not simulated, only %s are", version, strings.Join(Versions(), ", "))
	}
	return release24 + release(i), nil
}

// version is what servers of the release say that they are.
func (r release) version() string {
	if r == release26 {
		return Version260 + "-SNAPSHOT"
	}
	return Versions()[r-release24]
}

// gitCommit is the commit that a server of the release says that it is built from: that
// of the tag for 2.5.0, which recordings show; none that exists for the others.
func (r release) gitCommit() string {
	if r == release25 {
		return gitCommit
	}
	return strings.Repeat("0", len(gitCommit))
}

// knows tells whether servers of the release have a handler for an RPC.
func (r release) knows(rpc string) bool {
	switch rpc {
	case idl.NameRenameApp:
		return r >= release25
	case idl.NameListDuplication:
		return r >= release26
	default:
		return true
	}
}

// hasCommand tells whether servers of the release have a remote command. Those about perf
// counters went with the counters, which metrics replace.
func (r release) hasCommand(name string) bool {
	return r < release26 || !strings.HasPrefix(name, "perf-counters") && name != "server-stat"
}

// hasPath tells whether servers of the release answer an HTTP path.
func (r release) hasPath(path string) bool {
	switch path {
	case "metrics":
		return r >= release26
	case "perfCounter":
		return r < release26
	default:
		return true
	}
}

// envHint is the hint of a refused env. 2.6 lists the envs of followers among those that
// can be set.
func (r release) envHint(key, value string) string {
	switch key {
	case envMasterCluster, envMasterMetas, envMasterApp, envFollowerStatus:
		if r >= release26 {
			return ""
		}
	}
	return envHint(key, value)
}

package pegasus

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// The sections and keys of a configuration that duplication rests on (src/common,
// duplication_common.cpp, replication_common.cpp).
const (
	sectionDuplicationGroup = "duplication-group"
	sectionClusters         = "pegasus.clusters"
	sectionReplication      = "replication"
	keyDuplicationEnabled   = "duplication_enabled"
)

// ConfigDump is the configuration of a server as it was when it started, by section and key. Values
// that were changed at run time are not in it: ConfigValue tells those.
type ConfigDump map[string]map[string]string

// ConfigDump reads a server's whole configuration, meta or replica server.
func (c *Cluster) ConfigDump(ctx context.Context, node string) (ConfigDump, error) {
	// Never with an argument: the server would write a file of that name to its own disk.
	out, err := c.RemoteCommand(ctx, node, "config-dump")
	if err != nil {
		return nil, err
	}
	dump, err := parseConfigDump(out)
	if err != nil {
		return nil, fmt.Errorf("config-dump of %s: %w", node, err)
	}
	return dump, nil
}

// parseConfigDump reads an ini file as servers print it: "[section]", "key = value", comments with
// ";" or "#" (src/utils/configuration.cpp, dump). Descriptions are printed as comments, and one of
// several lines is not: lines that are nothing of this are passed over.
func parseConfigDump(text string) (ConfigDump, error) {
	out := ConfigDump{}
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == ';' || line[0] == '#' {
			continue
		}
		if name, ok := strings.CutSuffix(line, "]"); ok && line[0] == '[' {
			section = strings.TrimSpace(name[1:])
			if out[section] == nil {
				out[section] = map[string]string{}
			}
			continue
		}
		if key, value, ok := strings.Cut(line, "="); ok && out[section] != nil {
			out[section][strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no configuration: %q", clip(text))
	}
	return out, nil
}

// Value is the value of a key.
func (d ConfigDump) Value(section, key string) (string, bool) {
	v, ok := d[section][key]
	return v, ok
}

// ClusterIDs is [duplication-group]: ids by cluster name. Values that are no id are left out; servers
// refuse to start with them.
func (d ConfigDump) ClusterIDs() map[string]int {
	out := map[string]int{}
	for name, value := range d[sectionDuplicationGroup] {
		if id, err := strconv.Atoi(value); err == nil {
			out[name] = id
		}
	}
	return out
}

// Clusters is [pegasus.clusters]: meta servers by cluster name.
func (d ConfigDump) Clusters() map[string][]string {
	out := map[string][]string{}
	for name, value := range d[sectionClusters] {
		out[name] = splitList(value)
	}
	return out
}

// DuplicationEnabled is [replication] duplication_enabled, which is true when nobody says otherwise.
func (d ConfigDump) DuplicationEnabled() bool {
	v, ok := d.Value(sectionReplication, keyDuplicationEnabled)
	return !ok || !isFalse(v)
}

// isFalse reads a bool as servers do: anything but "true" in any case, or 1, is false (src/utils,
// string_conv.h, buf2bool refuses the rest, and a server with it does not start).
func isFalse(v string) bool { return !strings.EqualFold(v, "true") && v != "1" }

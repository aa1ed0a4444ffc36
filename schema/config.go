package schema

import "github.com/hashicorp/hcl/v2"

// Config is everything that the files of one configuration declare, checked as far as that can be
// done without a network. It is immutable after Load and safe for concurrent readers.
type Config struct {
	// Clusters by the label of their block.
	Clusters map[string]*Cluster
	// Migrations in the order of declaration (files sorted by name, then position).
	Migrations []*Migration
	// Files holds the parsed files by the name that appears in source ranges, variable files
	// included. It exists to show snippets; never read declarations from it.
	Files map[string]*hcl.File
	// Sensitive names the variables whose values must not be shown, in any order.
	Sensitive []string
}

// Migration gives the migration of that name, nil when the configuration has none.
func (c *Config) Migration(name string) *Migration {
	for _, m := range c.Migrations {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// Cluster is one cluster block.
type Cluster struct {
	// Label is local to the file. Never send it over the wire or compare it with a name that a
	// cluster reports of itself.
	Label string
	// MetaServers are host:port, at least one, in declared order, without repetitions.
	MetaServers []string
	Range       hcl.Range // the header of the block
}

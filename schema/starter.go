package schema

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// StarterArgs is what init knows of a live table.
type StarterArgs struct {
	// SourceCluster and TargetCluster are the names that the clusters report, "" when unknown.
	// They become labels as far as that is possible.
	SourceCluster, TargetCluster string
	SourceMeta, TargetMeta       []string // host:port; an empty list gives an example to edit
	Table                        string
	TargetTable                  string // "" for Table
	// Partitions and Replicas of the source, 0 when unknown.
	Partitions, Replicas int32
}

// Starter writes a first migration file: method copy, everything at its safest, the rest in
// comments. The result is formatted and loads without errors as long as the table name is valid.
func Starter(args StarterArgs) []byte {
	source, target := starterLabel(args.SourceCluster, "source"), starterLabel(args.TargetCluster, "target")
	if source == target {
		source, target = "source", "target"
	}
	var b strings.Builder
	writeCluster(&b, source, args.SourceMeta, "10.0.0.1:34601")
	writeCluster(&b, target, args.TargetMeta, "10.1.0.1:34601")
	name := args.Table
	if !ValidMigrationName(name) {
		name = "table"
	}
	targetTable := args.TargetTable
	if targetTable == "" {
		targetTable = args.Table
	}
	fmt.Fprintf(&b, "migration %s {\n", quote(name))
	fmt.Fprintf(&b, "source {\ncluster = cluster.%s\ntable = %s\n}\n", source, quote(args.Table))
	fmt.Fprintf(&b, "target {\ncluster = cluster.%s\ntable = %s\n", target, quote(targetTable))
	writeCounts(&b, args)
	b.WriteString("# envs = { default_ttl = \"0\" } # over the envs carried from the source\n")
	b.WriteString("# if_exists = \"fail\"           # fail | resume_empty | merge\n}\n\n")
	b.WriteString("method \"copy\" {\n")
	b.WriteString("# stopped: you promise that nothing writes the source; fenced: its writes are rejected while\n")
	b.WriteString("# rows are copied and compared; accepted: rows written meanwhile may differ.\n")
	b.WriteString("source_writes = \"stopped\"\n}\n\n")
	b.WriteString("# limits {\n#   rows_per_second  = 100000\n#   bytes_per_second = \"64MiB\"\n#   in_flight        = 512\n# }\n\n")
	b.WriteString("verify {\nmode = \"full\"\n}\n}\n")
	return Format([]byte(b.String()))
}

func writeCluster(b *strings.Builder, label string, metas []string, example string) {
	fmt.Fprintf(b, "cluster %s {\n", quote(label))
	comment := ""
	if len(metas) == 0 {
		metas, comment = []string{example}, " # edit: every meta server of the cluster"
	}
	quoted := make([]string, len(metas))
	for i, m := range metas {
		quoted[i] = quote(m)
	}
	fmt.Fprintf(b, "meta_servers = [%s]%s\n}\n\n", strings.Join(quoted, ", "), comment)
}

// writeCounts shows the source's counts as the defaults that they are; a count that a target
// cannot have is replaced by the next power of two.
func writeCounts(b *strings.Builder, args StarterArgs) {
	switch p := args.Partitions; {
	case p <= 0:
		b.WriteString("# partition_count = 64 # a power of two; the source's when absent\n")
	case bits.OnesCount32(uint32(p)) == 1:
		fmt.Fprintf(b, "# partition_count = %d # a power of two; the source's when absent\n", p)
	default:
		fmt.Fprintf(b, "partition_count = %d # the source has %d, which is no power of two\n", nextPowerOfTwo(p), p)
	}
	if args.Replicas > 0 {
		fmt.Fprintf(b, "# replica_count = %d # the source's when absent\n", args.Replicas)
	}
}

// nextPowerOfTwo is the smallest power of two not below p, at most maxPartitions.
func nextPowerOfTwo(p int32) int32 {
	if p > maxPartitions/2 {
		return maxPartitions
	}
	return int32(1) << bits.Len32(uint32(p-1))
}

// starterLabel makes an identifier of a cluster's name.
func starterLabel(name, fallback string) string {
	label := strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || (r >= '0' && r <= '9') || (r|0x20 >= 'a' && r|0x20 <= 'z') {
			return r
		}
		return '_'
	}, name)
	if !hclsyntax.ValidIdentifier(label) {
		return fallback
	}
	return label
}

// quote writes text as an HCL string.
func quote(s string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes())
}

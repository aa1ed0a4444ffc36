package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// loadMethods names the methods that write and load files.
const loadMethods = `the methods "backup_bulk_load" and "dual_write"`

func backupArguments() []attrSpec {
	return []attrSpec{{name: "provider", required: true}, {name: "target_provider"}, {name: "backup_path"},
		{name: "cold_backup_root"}, {name: "adopt_max_age"}}
}

func splitArguments() []attrSpec {
	return []attrSpec{{name: "staging"}, {name: "compression"}, {name: "file_size"}, {name: "parallel"}}
}

// otherMethods are the arguments of methods that go through no files.
func otherMethods() []attrSpec {
	return append(duplicationArguments(), elsewhere(copyOnly, copyArguments())...)
}

func elsewhere(where string, specs []attrSpec) []attrSpec {
	out := make([]attrSpec, len(specs))
	for i, s := range specs {
		out[i] = attrSpec{name: s.name, elsewhere: where}
	}
	return out
}

func specOf(method string, groups ...[]attrSpec) bodySpec {
	out := bodySpec{what: fmt.Sprintf("the block of method %q", method), blocks: []blockSpec{{name: "geo", elsewhere: copyOnly}}}
	for _, g := range groups {
		out.attrs = append(out.attrs, g...)
	}
	return out
}

func (l *loader) decodeBackupRestore(b *hclsyntax.Block) *BackupRestoreMethod {
	c := l.check(specOf("backup_restore", backupArguments(), []attrSpec{{name: "skip_bad_partition"}, {name: "source_writes"}},
		elsewhere(loadMethods, splitArguments()), []attrSpec{{name: "drop_expired", elsewhere: `the method "backup_bulk_load"`}},
		otherMethods()), b.Body, b.DefRange())
	m := &BackupRestoreMethod{BackupUse: l.decodeBackupUse(c)}
	m.SkipBadPartition = l.optionalBool(c, "skip_bad_partition")
	m.SourceWrites = l.sourceWrites(c)
	if p, q := m.Provider, m.TargetProvider; p != nil && q != nil && (p.Type != q.Type || p.Root != q.Root) {
		l.errorf(CodeProvider, c.attrs["target_provider"].Expr.Range(), "name the target's section for the same store, or declare method \"backup_bulk_load\"",
			"the target's servers restore from where the source's wrote; %s %s and %s %s are two places", p.Type, p.Root, q.Type, q.Root)
	}
	return m
}

func (l *loader) decodeBackupBulkLoad(b *hclsyntax.Block) *BackupBulkLoadMethod {
	c := l.check(specOf("backup_bulk_load", backupArguments(), splitArguments(), []attrSpec{{name: "drop_expired"}, {name: "source_writes"},
		{name: "skip_bad_partition", elsewhere: restoreOnly}}, otherMethods()), b.Body, b.DefRange())
	m := &BackupBulkLoadMethod{BackupUse: l.decodeBackupUse(c), SplitUse: l.decodeSplitUse(c)}
	m.DropExpired = l.optionalBool(c, "drop_expired")
	m.SourceWrites = l.sourceWrites(c)
	return m
}

// restoreOnly names the method of skip_bad_partition.
const restoreOnly = `the method "backup_restore"`

func (l *loader) decodeDualWrite(b *hclsyntax.Block) *DualWriteMethod {
	c := l.check(specOf("dual_write", backupArguments(), splitArguments(), []attrSpec{
		{name: "source_writes", elsewhere: `the methods "copy", "backup_restore" and "backup_bulk_load"`},
		{name: "skip_bad_partition", elsewhere: restoreOnly}, {name: "drop_expired", elsewhere: `the method "backup_bulk_load"`},
	}, otherMethods()), b.Body, b.DefRange())
	m := &DualWriteMethod{BackupUse: l.decodeBackupUse(c), SplitUse: l.decodeSplitUse(c)}
	if a := c.attrs["adopt_max_age"]; a != nil {
		l.errorf(CodeNoEffect, a.NameRange, "remove it", "\"adopt_max_age\" has no effect: the backup of method dual_write has to begin after clients write both tables")
	}
	return m
}

// sourceWrites gives the declared source_writes. What only some methods do besides is in more.
func (l *loader) sourceWrites(c *content, more ...SourceWrites) SourceWrites {
	allowed := append([]SourceWrites{SourceWritesStopped, SourceWritesFenced, SourceWritesAccepted}, more...)
	mode, at := choice(l, c, "source_writes", SourceWritesStopped, []SourceWrites{SourceWritesCatchUp}, allowed...)
	if !slices.Contains(allowed, mode) {
		l.errorf(CodeMethodUnavailable, at, "method \"copy\" has it; with \"fenced\" the backup is exact and clients cannot write meanwhile",
			"source_writes = %q is not in this release with a backup; available: accepted, fenced, stopped", mode)
	}
	return mode
}

func (l *loader) decodeBackupUse(c *content) BackupUse {
	var out BackupUse
	out.Provider, _ = l.providerRef(c, "provider", true)
	out.TargetProvider = out.Provider
	if p, _ := l.providerRef(c, "target_provider", false); p != nil {
		out.TargetProvider = p
	}
	out.BackupPath = l.folder(c, "backup_path")
	out.ColdBackupRoot = l.folder(c, "cold_backup_root")
	out.AdoptMaxAge, _ = l.span(c, "adopt_max_age", false, "leave it out to make a new backup always")
	if p := out.Provider; out.BackupPath != "" && p != nil && p.Type == HDFSService && p.Root != "/" && p.Root != "" {
		// src/meta/backup_engine.cpp, set_backup_path; hdfs_service has a default path then.
		l.errorf(CodeBackupPath, c.attrs["backup_path"].Expr.Range(), "remove it: backups go below "+p.Root,
			"servers refuse a backup_path when the provider's args have a root (%s)", p.Root)
	}
	return out
}

// Bounds of the files of a bulk load: smaller ones cost the servers more in metadata than in rows, larger ones are
// what RocksDB's own compactions never make.
const (
	minLoadFile = 64 << 10
	maxLoadFile = 4 << 30
	maxParallel = 1 << 10
)

func (l *loader) decodeSplitUse(c *content) SplitUse {
	out := SplitUse{Staging: DefaultStaging, FileSize: DefaultFileSize}
	if s := l.folder(c, "staging"); s != "" {
		out.Staging = s
	}
	out.Compression, _ = choice(l, c, "compression", CompressLZ4, nil, CompressNone, CompressSnappy, CompressLZ4, CompressZSTD)
	if n, ok := l.size(c, "file_size", false); ok {
		if n < minLoadFile || n > maxLoadFile {
			l.errorf(CodeLimit, c.attrs["file_size"].Expr.Range(), `like "64MiB", which is the default`, `"file_size" must be from 64KiB to 4GiB`)
		}
		out.FileSize = n
	}
	parallel, _ := l.integer(c, "parallel", 1, maxParallel, CodeLimit, "leave it out for as many as the machine has cores")
	out.Parallel = int(parallel)
	return out
}

// maxFolder keeps paths far below what file systems take.
const maxFolder = 1024

// folder gives an argument that is a path below a provider's root, without slashes at its ends; "" when it is absent
// or malformed.
func (l *loader) folder(c *content, name string) string {
	s, at, ok := l.text(c, name, false)
	if !ok {
		return ""
	}
	clean, problem := parseFolder(s)
	if problem != "" {
		l.errorf(CodeBackupPath, at, `like "migrations/orders": below the provider's root`, "%q = %q: %s", name, s, problem)
	}
	return clean
}

func parseFolder(s string) (clean, problem string) {
	clean = strings.Trim(s, "/")
	switch {
	case clean == "":
		return "", "it is empty"
	case len(s) > maxFolder:
		return "", fmt.Sprintf("it is longer than %d bytes", maxFolder)
	case !utf8.ValidString(s):
		return "", "it is not text"
	}
	for part := range strings.SplitSeq(clean, "/") {
		switch {
		case part == "":
			return "", "it has an empty part"
		case part == "." || part == "..":
			return "", "it must not contain " + part
		case strings.ContainsFunc(part, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
			return "", "it has a space or a character that cannot be shown"
		}
	}
	return clean, ""
}

func backupSourceSpec() bodySpec {
	return bodySpec{what: "a backup block",
		attrs: []attrSpec{{name: "path", required: true}, {name: "app_id", required: true}, {name: "table", required: true}}}
}

// decodeBackupSource reads source { backup { … } }.
func (l *loader) decodeBackupSource(b *hclsyntax.Block) *BackupSource {
	c := l.check(backupSourceSpec(), b.Body, b.DefRange())
	out := &BackupSource{Range: b.DefRange(), Table: l.tableName(c, true)}
	if n, ok := l.integer(c, "app_id", 1, 1<<31-1, CodeValue, "the number behind the table's name in the folder of the backup"); ok {
		out.AppID = int32(n)
	}
	s, at, ok := l.text(c, "path", true)
	if !ok {
		return out
	}
	hint := `like "<cold_backup_root>/1779430000000": below the provider's root, without the table's folder`
	clean, problem := parseFolder(s)
	if problem != "" {
		l.errorf(CodeBackupPath, at, hint, "\"path\" = %q: %s", s, problem)
		return out
	}
	root, last := "", clean
	if i := strings.LastIndexByte(clean, '/'); i >= 0 {
		root, last = clean[:i], clean[i+1:]
	}
	id, err := strconv.ParseInt(last, 10, 64)
	if err != nil || id <= 0 || root == "" {
		l.errorf(CodeBackupPath, at, hint, "\"path\" = %q does not end with the id of a backup below a cold_backup_root", s)
		return out
	}
	out.Path, out.Root, out.ID = clean, root, id
	return out
}

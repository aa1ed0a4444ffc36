package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/schema"
)

// checkFiles is the preflight that every method through files has: stores, the servers' settings, what is under way.
func (b *builder) checkFiles(use schema.BackupUse, split *schema.SplitUse) {
	files := b.f.Files
	if files == nil {
		b.checks.fail(CodeFilesUnread, b.atMethod(), "plan again when the clusters answer", "the servers were not asked about backups and their stores")
		return
	}
	if !b.fromBackup() {
		b.checkProvider("the source", files.SourceServers, use.Provider, files.SourceProbe)
		b.checkColdBackup(use)
		b.checkUnderway(use)
		b.checkRate("backup", files.SourceServers, UseUpload, use.Provider)
	}
	b.checkProvider("the target", files.TargetServers, use.TargetProvider, files.TargetProbe)
	b.checkRate("the target's downloads", files.TargetServers, UseDownload, use.TargetProvider)
	b.checkStores(use, split)
}

// checkProvider holds the declared provider against what servers say of theirs.
func (b *builder) checkProvider(side string, servers []FileServer, p *schema.Provider, probe ProviderProbe) {
	place := b.place(p.Range)
	var missing, silent []string
	others, told := map[string][]string{}, 0 // servers by what they mean instead
	for _, s := range servers {
		c, has := s.Providers[p.Name]
		switch {
		case s.Problem != "" || !s.ProvidersTold:
			silent = append(silent, s.Addr)
		case !has:
			missing = append(missing, s.Addr)
		case c.Type != string(p.Type) || !sameArgs(c, p):
			means := fmt.Sprintf("type = %s, args = %s", c.Type, c.Args)
			others[means] = append(others[means], s.Addr)
		default:
			told++
		}
	}
	section := fmt.Sprintf("[block_service.%s] type = %s, args = %s", p.Name, p.Type, p.Args)
	if probe.Asked && !probe.Known && len(missing) == 0 {
		missing = append(missing, "the leading meta server ("+probe.Code+")")
	}
	if len(missing) > 0 {
		b.checks.fail(CodeProviderMissing, place, "add "+section+" to the configuration of every meta and replica server and restart them",
			"%s has no block service %q on %s", side, p.Name, strings.Join(missing, ", "))
	}
	if len(others) > 0 {
		var all []string
		for _, means := range sortedKeys(others) {
			all = append(all, means+" on "+strings.Join(others[means], ", "))
		}
		b.checks.fail(CodeProviderOther, place, "write down what the servers have: type and args of their section",
			"%s means another place by %q: %s", side, p.Name, strings.Join(all, "; "))
	}
	switch {
	case len(missing) > 0 || len(others) > 0:
	case len(silent) == 0 && told > 0:
		b.checks.ok("%s has block service %q on all %s", side, p.Name, plural(told, "server"))
	case probe.Known:
		b.checks.ok("%s knows block service %q; what it means by it only its configuration tells: %s", side, p.Name, section)
	default:
		b.checks.warn(CodeProviderUnread, place, "see to it that every meta and replica server has "+section,
			"%s of %d servers of %s did not tell their block services", fmt.Sprint(len(silent)), len(servers), side)
	}
}

// sameArgs compares args as servers read them: words.
func sameArgs(c ProviderConfig, p *schema.Provider) bool {
	have, want := strings.Fields(c.Args), strings.Fields(p.Args)
	if len(have) == 0 || len(want) == 0 {
		return len(have) == len(want)
	}
	root := func(words []string) string {
		if p.Type == schema.LocalService {
			return cleanRoot(words[0])
		}
		if len(words) < 2 {
			return "/"
		}
		return cleanRoot(words[1])
	}
	return root(have) == root(want)
}

func cleanRoot(s string) string {
	if s = strings.TrimRight(s, "/"); s == "" {
		return "/"
	}
	return s
}

// checkColdBackup looks at the two settings without which no backup is made.
func (b *builder) checkColdBackup(use schema.BackupUse) {
	files, place := b.f.Files, b.place(b.m.Source.Range)
	var off []string
	roots := map[string][]string{}
	for _, s := range files.SourceServers {
		if s.BackupDisabled != nil && *s.BackupDisabled {
			off = append(off, s.Addr)
		}
		if !s.Meta && s.RootTold {
			roots[s.ColdBackupRoot] = append(roots[s.ColdBackupRoot], s.Addr)
		}
	}
	if len(off) > 0 {
		b.checks.fail(CodeBackupDisabled, place, "set cold_backup_disabled = false in [meta_server] and restart the meta servers",
			"cold backup is switched off on %s", strings.Join(off, ", "))
	}
	const hint = "set the same cold_backup_root in [replication] of every replica server"
	switch {
	case len(roots[""]) > 0:
		b.checks.fail(CodeBackupRoot, place, hint, "%s has no cold_backup_root on %s: it refuses every backup", b.source.Cluster, strings.Join(roots[""], ", "))
	case len(roots) > 1:
		var all []string
		for _, r := range sortedKeys(roots) {
			all = append(all, fmt.Sprintf("%s on %s", r, strings.Join(roots[r], ", ")))
		}
		b.checks.fail(CodeBackupRoot, place, hint, "the replica servers of %s do not agree about cold_backup_root: %s", b.source.Cluster, strings.Join(all, "; "))
	case b.backupRoot(use) == "":
		b.checks.fail(CodeBackupRoot, place, "declare cold_backup_root in the method block: what [replication] says on the replica servers",
			"no replica server of %s told its cold_backup_root, and none is declared", b.source.Cluster)
	case use.ColdBackupRoot != "" && len(roots) == 1 && len(roots[use.ColdBackupRoot]) == 0:
		b.checks.fail(CodeBackupRoot, place, "remove cold_backup_root from the declaration", "cold_backup_root is %q on %s, %q is declared", sortedKeys(roots)[0], b.source.Cluster, use.ColdBackupRoot)
	default:
		b.checks.ok("backups of %s go to %s below %s", b.source, b.backupRoot(use), use.Provider.Root)
	}
}

// checkUnderway refuses to begin beside another backup of the table, and tells what can be adopted.
func (b *builder) checkUnderway(use schema.BackupUse) {
	files, place := b.f.Files, b.place(b.m.Source.Range)
	if i := slices.IndexFunc(files.Running, BackupRunning.Underway); i >= 0 {
		b.checks.fail(CodeBackupUnderway, place, "wait until it is over; servers have no way to cancel it",
			"%s is being backed up already: backup %d", b.source, files.Running[i].ID)
	} else if files.Uploading > 0 {
		b.checks.warn(CodeBackupUploading, place, "wait until cold.backup.max.upload.file.size is 0 everywhere",
			"servers of %s are uploading a backup (%s), maybe of another table, maybe one that its meta server forgot", b.source.Cluster, Bytes(uint64(files.Uploading)))
	}
	if use.AdoptMaxAge == 0 {
		return
	}
	if fenced(b.m.Method) {
		b.checks.warn(CodeAdopt, b.atMethod(), "remove adopt_max_age, or declare source_writes = \"stopped\" and stop the writers before the backup",
			"with source_writes = \"fenced\" the backup begins behind the fence: no older one is adopted")
		return
	}
	for _, k := range files.Backups {
		age := files.Now.Sub(k.Taken)
		if k.Finished && k.Partitions == b.f.SourceTable.Partitions && age <= use.AdoptMaxAge {
			b.checks.warn(CodeAdopt, b.atMethod(), "what was written since is missing on the target; the comparison shows it",
				"backup %d of %s is %s old and will be adopted: writers had to be stopped since then", k.ID, b.source, Duration(age))
			return
		}
	}
	b.checks.ok("no finished backup of %s is younger than %s: a new one is made", b.source, Duration(use.AdoptMaxAge))
}

// fenced says whether the method fences the source before its backup.
func fenced(m schema.Method) bool {
	switch m := m.(type) {
	case *schema.BackupRestoreMethod:
		return m.SourceWrites == schema.SourceWritesFenced
	case *schema.BackupBulkLoadMethod:
		return m.SourceWrites == schema.SourceWritesFenced
	}
	return false
}

// checkRate says which flag limits a transfer, what it stands at, and where a declared rate changes nothing.
func (b *builder) checkRate(what string, servers []FileServer, use string, p *schema.Provider) {
	flag, declared := rate(use, p.Type), b.m.Limits.SendRate
	if flag == "" {
		if declared != nil {
			b.checks.warn(CodeRateNoEffect, b.place(b.m.Limits.Range), "the disks and the mount set the pace; begin at a quiet time",
				"limits.send_rate has no effect on %s: servers do not limit what a local_service moves", what)
		}
		return
	}
	var without []string
	low, high := int64(-1), int64(-1)
	for _, s := range servers {
		if s.Meta {
			continue
		}
		v, ok := s.Rates[flag]
		if !ok {
			without = append(without, s.Addr)
			continue
		}
		if low < 0 || v < low {
			low = v
		}
		high = max(high, v)
	}
	switch {
	case declared == nil && high > 0:
		b.checks.ok("%s: %s stands at %s, and stays", what, flag, megabytes(low, high))
	case declared != nil && len(without) > 0:
		b.checks.fail(CodeRateUnread, b.place(b.m.Limits.Range), "remove send_rate, or plan again when they answer at their HTTP port",
			"%s: %s cannot be read on %s, so it could not be given back", what, flag, strings.Join(without, ", "))
	case declared != nil:
		b.checks.ok("%s: %s is ramped, and gets its %s back", what, flag, megabytes(low, high))
	}
}

func megabytes(low, high int64) string {
	if low == high {
		return fmt.Sprintf("%d MB/s per server", low)
	}
	return fmt.Sprintf("%d to %d MB/s per server", low, high)
}

// checkStores looks at what this tool sees of the stores, and the room on them.
func (b *builder) checkStores(use schema.BackupUse, split *schema.SplitUse) {
	files := b.f.Files
	if files.Store.Problem != "" && !b.fromBackup() { // of a declared backup it is told already
		b.checks.fail(CodeStoreSilent, b.place(use.Provider.Range), "this tool reads the backup itself: mount the store here, or give it access",
			"%s cannot be read from here: %s", storeName(files.Store), files.Store.Problem)
	}
	if split != nil && files.TargetStore.Problem != "" {
		b.checks.fail(CodeStoreSilent, b.place(use.TargetProvider.Range), "this tool writes the files for the load: mount the store here, or give it access",
			"%s cannot be used from here: %s", storeName(files.TargetStore), files.TargetStore.Problem)
	} else if split != nil && !files.TargetStore.Writable {
		b.checks.fail(CodeStoreReadOnly, b.place(use.TargetProvider.Range), "give the user of this tool the right to write there, or declare user",
			"%s cannot be written to from here", storeName(files.TargetStore))
	}
	bytes := b.f.SourceTable.Bytes
	room := func(s StoreFacts, need uint64, p *schema.Provider, what string) {
		if s.Problem != "" || s.Free == 0 || need == 0 {
			return
		}
		text := fmt.Sprintf("%s takes about %s on %s, which has %s left", what, Bytes(need), storeName(s), Bytes(s.Free))
		switch {
		case need > s.Free:
			b.checks.fail(CodeStoreRoom, b.place(p.Range), "make room there, or remove old backups", "%s", text)
		case need > s.Free/2:
			b.checks.warn(CodeStoreRoom, b.place(p.Range), "watch it", "%s", text)
		default:
			b.checks.ok("%s", text)
		}
	}
	backup, staged := bytes, bytes
	if b.fromBackup() {
		backup = 0
	}
	switch {
	case split == nil:
		room(files.Store, backup, use.Provider, "the backup")
	case files.Store.Provider.Store.Root == files.TargetStore.Provider.Store.Root && files.Store.Provider.Store.Type == files.TargetStore.Provider.Store.Type:
		what := "the backup, with the files for the load,"
		if backup == 0 {
			what = "what is split"
		}
		room(files.TargetStore, backup+staged, use.TargetProvider, what)
	default:
		room(files.Store, backup, use.Provider, "the backup")
		room(files.TargetStore, staged, use.TargetProvider, "what is split")
	}
}

package observe

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/blobstore"
	"github.com/pegmigrate/pegmigrate/internal/provider"
	"github.com/pegmigrate/pegmigrate/internal/splitter"
	"github.com/pegmigrate/pegmigrate/plan"
)

// lookedInto is how many backups of the table are read, the newest ones.
const lookedInto = 8

// lookAtStores looks at what lies on the block stores.
func (l *filesLook) lookAtStores(ctx context.Context, n fileNeeds, f *plan.Facts, out *plan.FilesFacts) {
	var store blobstore.Store
	out.Store, store = l.lookAtStore(ctx, n.store, false)
	out.TargetStore, _ = l.lookAtStore(ctx, n.target, n.writesStore)
	out.Root = backupRoot(n, out.SourceServers)
	if b := l.migration.Source.Backup; b != nil {
		out.Found = &plan.BackupFacts{Root: b.Root, ID: b.ID, Table: b.Table, AppID: b.AppID, DataVersion: -1}
		if store == nil {
			out.Found.Problem = out.Store.Problem
		} else if dirs, err := backup.Find(ctx, store, strings.Trim(b.Root, "/"), b.Table, b.AppID); err == nil &&
			!slices.ContainsFunc(dirs, func(d backup.Dir) bool { return d.ID == b.ID }) {
			out.Found = nil
		} else {
			readBackup(ctx, store, out.Found)
		}
	} else if store != nil && out.Root != "" && f.SourceTable != nil {
		out.Backups = backupsOf(ctx, store, out.Root, f.SourceTable, &out.Store)
	}
	if n.staging != "" && out.TargetStore.Problem == "" {
		l.lookAtStaging(ctx, n, f, out)
	}
}

// lookAtStore opens a store. mustWrite asks for the proof that a file can be written.
func (l *filesLook) lookAtStore(ctx context.Context, p plan.Provider, mustWrite bool) (plan.StoreFacts, blobstore.Store) {
	facts := plan.StoreFacts{Provider: p}
	store, err := l.stores.Open(ctx, p)
	if err != nil {
		facts.Problem = problemOf(err)
		return facts, nil
	}
	if space, err := store.Space(ctx); err == nil {
		facts.Free = uint64(max(space.Free, 0))
	}
	if !mustWrite {
		return facts, store
	}
	if err := tryWriting(ctx, store); err != nil {
		facts.Problem = problemOf(err)
		return facts, store
	}
	facts.Writable = true
	return facts, store
}

// probeName is a file below the root of a store that is written and removed to prove that it can be.
const probeName = "pegmigrate-probe"

func tryWriting(ctx context.Context, s blobstore.Store) error {
	if _, err := blobstore.WriteFile(ctx, s, probeName, []byte("written by pegmigrate to see whether it can be; it may be removed\n")); err != nil {
		return err
	}
	err := s.Remove(ctx, probeName)
	if blobstore.CodeOf(err) == blobstore.CodeNotFound { // another run took it away
		return nil
	}
	return err
}

// backupRoot is where the source's servers put backups: the declared root, or the one that all its
// replica servers have; "" when they do not tell, or do not agree.
func backupRoot(n fileNeeds, servers []plan.FileServer) string {
	root := n.use.ColdBackupRoot
	if root == "" {
		var told []string
		for i := range servers {
			if s := &servers[i]; !s.Meta && s.RootTold && !slices.Contains(told, s.ColdBackupRoot) {
				told = append(told, s.ColdBackupRoot)
			}
		}
		if len(told) == 1 {
			root = told[0]
		}
	}
	if root == "" {
		return ""
	}
	return blobstore.Join(n.use.BackupPath, root)
}

// backupsOf reads the newest backups of a table.
func backupsOf(ctx context.Context, s blobstore.Store, root string, t *plan.TableFacts, facts *plan.StoreFacts) []plan.BackupFacts {
	dirs, err := backup.Find(ctx, s, root, t.Name, t.ID)
	if err != nil {
		facts.Problem = problemOf(err)
		return nil
	}
	out := make([]plan.BackupFacts, min(len(dirs), lookedInto))
	for i := range out {
		d := dirs[i]
		out[i] = plan.BackupFacts{Root: root, ID: d.ID, Table: d.Table, AppID: d.AppID, DataVersion: -1}
		readBackup(ctx, s, &out[i])
	}
	return out
}

// readBackup takes in the metadata.
func readBackup(ctx context.Context, s blobstore.Store, b *plan.BackupFacts) {
	found, err := backup.Read(ctx, s, backup.Dir{Root: strings.Trim(b.Root, "/"), ID: b.ID, Table: b.Table, AppID: b.AppID}, backup.Options{})
	if err != nil {
		b.Problem = problemOf(err)
		return
	}
	b.Finished, b.Partitions, b.Replicas = true, found.App.PartitionCount, found.App.MaxReplicaCount
	b.Bytes, b.Files, b.Duplicating = uint64(found.Size()), found.FileCount(), found.App.Duplicating
	for i := range found.Partitions {
		if taken := found.Partitions[i].Taken; b.Taken.IsZero() || taken.Before(b.Taken) {
			b.Taken = taken
		}
	}
	b.DataVersion = dataVersion(ctx, s, found)
}

// lookAtStaging tells what lies where the input of the load will be written.
func (l *filesLook) lookAtStaging(ctx context.Context, n fileNeeds, f *plan.Facts, out *plan.FilesFacts) {
	store, err := l.stores.Open(ctx, n.target)
	if err != nil {
		return // told already
	}
	input := provider.Input(plan.Staging{Provider: n.target, Root: n.staging, Cluster: f.Target.Name, Table: l.migration.Target.Table}, 0, 0)
	entries, err := store.List(ctx, input.Dir())
	if blobstore.CodeOf(err) == blobstore.CodeNotFound {
		return
	}
	if err == nil {
		out.Staged = len(entries) > 0
		out.StagedFor, _, _, err = input.Prepared(ctx, store)
	}
	if err != nil {
		out.Staged = true
		out.TargetStore.Problem = fmt.Sprintf("what lies in %s cannot be read: %s", input.Dir(), problemOf(err))
	}
}

// dataVersion is that of the first partition's rows, which all have; -1 when it cannot be read.
func dataVersion(ctx context.Context, s blobstore.Store, b *backup.Backup) int32 {
	source := splitter.FromBackup(s, b)
	if len(source.Partitions) == 0 {
		return -1
	}
	rows, version, err := source.Partitions[0].Open(ctx, splitter.OpenOptions{})
	if err != nil {
		return -1
	}
	_ = rows.Close() // nothing was read of it
	return int32(version)
}

package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/blobstore"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// Stores opens block stores when they are first used and keeps them open until Close. Safe for
// concurrent use.
type Stores struct {
	hdfs   Opener
	mu     sync.Mutex
	open   map[string]blobstore.Store
	closed bool
}

// Opener opens a store of one type.
type Opener func(context.Context, plan.Store) (blobstore.Store, error)

// NewStores opens nothing yet.
func NewStores() *Stores { return NewStoresOf(nil) }

// NewStoresOf is NewStores with another way to open those of type hdfs_service; nil means a client of HDFS.
func NewStoresOf(hdfs Opener) *Stores {
	if hdfs == nil {
		hdfs = openHDFS
	}
	return &Stores{hdfs: hdfs, open: map[string]blobstore.Store{}}
}

// errClosed is for a store that is asked for behind Close.
var errClosed = errors.New("the block stores were closed")

// Open gives the store of a provider. An error names the provider; its cause is a *blobstore.Error, or
// says what the declaration lacks.
func (s *Stores) Open(ctx context.Context, p plan.Provider) (blobstore.Store, error) {
	key := fmt.Sprintf("%s\x00%s\x00%q\x00%s", p.Store.Type, p.Store.Root, p.Store.NameNodes, p.Store.User)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if store := s.open[key]; store != nil {
		return store, nil
	}
	store, err := s.openNew(ctx, p.Store)
	if err != nil {
		return nil, fmt.Errorf("provider %q: %w", p.Name, err)
	}
	s.open[key] = store
	return store, nil
}

func (s *Stores) openNew(ctx context.Context, st plan.Store) (blobstore.Store, error) {
	switch schema.ProviderType(st.Type) {
	case schema.LocalService:
		return opened(blobstore.OpenLocal(ctx, st.Root, blobstore.Deadlines{}))
	case schema.HDFSService:
		return s.hdfs(ctx, st)
	}
	return nil, fmt.Errorf("%q is no type of a block service that can be reached: %s and %s are", st.Type, schema.LocalService, schema.HDFSService)
}

func openHDFS(ctx context.Context, st plan.Store) (blobstore.Store, error) {
	return opened(blobstore.OpenHDFS(ctx, blobstore.HDFSOptions{NameNodes: st.NameNodes, User: st.User, Root: st.Root}))
}

// opened keeps a nil pointer from becoming a store that is not nil.
func opened[S blobstore.Store](s S, err error) (blobstore.Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Close gives up all stores. Calls of Open after it fail.
func (s *Stores) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, store := range s.open {
		_ = store.Close() // everything that was written is committed
	}
	clear(s.open)
	s.closed = true
}

// Dir is where a backup whose id is known lies below the root of its store.
func Dir(ref plan.BackupRef) backup.Dir {
	return backup.Dir{Root: strings.Trim(ref.Root, "/"), ID: ref.ID, Table: ref.Table, AppID: ref.AppID}
}

// Input is where the input of a bulk load lies below the root of its store. appID and partitions are the
// target's, 0 where only the place matters.
func Input(s plan.Staging, appID, partitions int32) backup.BulkLoad {
	return backup.BulkLoad{Root: s.Root, Cluster: s.Cluster, Table: s.Table, AppID: appID, PartitionCount: partitions}
}

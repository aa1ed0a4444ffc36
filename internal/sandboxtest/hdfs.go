package sandboxtest

import (
	"context"
	"fmt"
	"slices"

	"github.com/pegmigrate/pegmigrate/internal/blobstore"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/plan"
)

// OpenHDFS opens the folder that an hdfs_service of a sandbox stands for. That the client of HDFS itself works is
// shown against a real one, in internal/blobstore.
func OpenHDFS(ctx context.Context, st plan.Store) (blobstore.Store, error) {
	if !slices.Equal(st.NameNodes, []string{sandbox.HDFSNameNode}) {
		return nil, fmt.Errorf("name nodes %v are not those of a sandbox", st.NameNodes)
	}
	s, err := blobstore.OpenLocal(ctx, st.Root, blobstore.Deadlines{})
	if err != nil {
		return nil, err
	}
	return s, nil
}

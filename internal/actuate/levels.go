package actuate

import (
	"context"

	"github.com/pegmigrate/pegmigrate/apply"
)

// Levels implements apply.Levels.
type Levels struct{ clusters *Clusters }

var _ apply.Levels = (*Levels)(nil)

// NewLevels reads and changes the meta function level of clusters.
func NewLevels(c *Clusters) *Levels { return &Levels{clusters: c} }

// MetaLevel implements apply.Levels. The leading meta is asked: another one that takes over begins
// with the level of its own configuration.
func (l *Levels) MetaLevel(ctx context.Context, cluster string) (string, error) {
	c, err := l.clusters.cluster(cluster)
	if err != nil {
		return "", err
	}
	return c.MetaLevel(ctx)
}

// SetMetaLevel implements apply.Levels.
func (l *Levels) SetMetaLevel(ctx context.Context, cluster, level string) error {
	c, err := l.clusters.cluster(cluster)
	if err != nil {
		return err
	}
	return refused(c.SetMetaLevel(ctx, level))
}

package pegasus

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// Setting is the value of a key of a server's configuration: the one in force when the server tells
// it over HTTP, otherwise the one that it started with. 2.4 knows most keys of [replication] only the
// second way (src/rdsn/src/common/replication_common.cpp). ErrNoSuchFlag is wrapped when it has
// neither.
func (c *Cluster) Setting(ctx context.Context, node, section, key string) (string, error) {
	value, err := c.ConfigValue(ctx, node, key)
	if err == nil || ctx.Err() != nil {
		return value, err
	}
	dump, dumpErr := c.ConfigDump(ctx, node)
	if dumpErr != nil {
		return "", fmt.Errorf("%w; %w", err, dumpErr)
	}
	if value, ok := dump.Value(section, key); ok {
		return value, nil
	}
	return "", fmt.Errorf("[%s] %s of %s: %w", section, key, node, ErrNoSuchFlag)
}

// Milliseconds reads a Setting that is an interval.
func Milliseconds(value string) (time.Duration, error) {
	ms, err := strconv.ParseUint(value, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no number of milliseconds", clip(value))
	}
	return time.Duration(ms) * time.Millisecond, nil
}

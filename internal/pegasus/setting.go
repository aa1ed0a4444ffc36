package pegasus

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// Setting is the value of a key of a server's configuration: the one in force when the server tells
// it over HTTP, otherwise the one that it started with. 2.4 knows most keys of [replication] only the
// second way (src/rdsn/src/common/replication_common.cpp). ErrNoSuchFlag is wrapped when it has
// neither. A server that does not answer at all is not asked a second time.
func (c *Cluster) Setting(ctx context.Context, node, section, key string) (string, error) {
	body, status, err := c.HTTPGet(ctx, node, "/config?name="+url.QueryEscape(key))
	if err != nil {
		return "", err
	}
	return c.setting(ctx, node, section, key, body, status)
}

// setting goes on from the answer of /config.
func (c *Cluster) setting(ctx context.Context, node, section, key string, body []byte, status int) (string, error) {
	value, err := parseConfig(body, status)
	if err == nil {
		return value, nil
	}
	dump, dumpErr := c.ConfigDump(ctx, node)
	if dumpErr != nil {
		return "", fmt.Errorf("flag %s of %s: %w; %w", key, node, err, dumpErr)
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

package pegasus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Flags of [replication] that limit what moves between replica servers and an hdfs_service, in MB per
// second and server, 200 unless set (src/block_service/hdfs/hdfs_service.cpp). A server has them only
// when it was built with HDFS; nothing limits a local_service.
const (
	FlagHDFSWriteRate = "hdfs_write_limit_rate_mb_per_sec"
	FlagHDFSReadRate  = "hdfs_read_limit_rate_mb_per_sec"
)

// CommandSendRate is the remote command that limits what a disk of a replica server sends to others, in
// MB per second, 0 for no limit (src/nfs/nfs_server_impl.cpp): learning, and the checkpoint copy of a
// duplication. It has no effect on block services.
const CommandSendRate = "nfs.max_send_rate_megabytes_per_disk"

// ErrFlagRefused is wrapped when a server does not take a value for a flag.
var ErrFlagRefused = errors.New("the server does not take the value")

// SetFlag sets a configuration flag of one server until it restarts. Doing it twice is doing it once.
// Errors: ErrNoSuchFlag; ErrFlagRefused with the server's words, e.g. for a flag that is not mutable.
func (c *Cluster) SetFlag(ctx context.Context, node, flag, value string) error {
	body, status, err := c.HTTPGet(ctx, node, "/updateConfig?"+url.QueryEscape(flag)+"="+url.QueryEscape(value))
	if err == nil {
		err = parseFlagUpdate(body, status)
	}
	if err != nil {
		return fmt.Errorf("set flag %s of %s to %s: %w", flag, node, value, err)
	}
	return nil
}

// parseFlagUpdate reads the answer of /updateConfig, which has status 200 whatever happened.
func parseFlagUpdate(body []byte, status int) error {
	var j struct {
		Status *string `json:"update_status"`
	}
	if status != http.StatusOK || json.Unmarshal(body, &j) != nil || j.Status == nil {
		return fmt.Errorf("server answers %d %q", status, clip(string(body)))
	}
	switch said := *j.Status; {
	case said == "ERR_OK":
		return nil
	case strings.HasPrefix(said, "ERR_OBJECT_NOT_FOUND"):
		return ErrNoSuchFlag
	default:
		return fmt.Errorf("%w: it says %q", ErrFlagRefused, clip(said))
	}
}

package sandbox

import (
	"fmt"
	"strconv"
)

// nfsRate makes the command that tells or sets how many MiB per second a disk sends
// or copies to build replicas; 0 is no limit. Contrary to the documentation of its
// time, 2.5.0 takes no DEFAULT here. whole: the rate must exceed one block.
func nfsRate(name string, whole bool) remoteCommand {
	return func(s *server, args []string) string {
		if len(args) == 0 {
			return strconv.FormatInt(s.flagInt(name), 10)
		}
		mb, err := strconv.ParseInt(args[0], 10, 32)
		if err != nil || mb <= 0 {
			return "ERR: invalid arguments"
		}
		if block := s.flagInt(flagBlockBytes); whole && int64(uint32(mb<<20)) <= block {
			return fmt.Sprintf("ERR: max_copy_rate_bytes(max_copy_rate_megabytes << 20) "+
				"should be greater than nfs_copy_block_bytes:%d", block)
		}
		s.settings.set(name, strconv.FormatInt(mb, 10))
		return "OK"
	}
}

// downloadsSetting is where the number set by the command is kept; the flag itself
// stays what the configuration says.
const downloadsSetting = "replica.max-concurrent-bulk-load-downloading-count"

// maxDownloads tells or sets how many partitions download for a bulk load at once.
func maxDownloads(s *server, args []string) string {
	if len(args) == 0 {
		n, ok := s.settings.get(downloadsSetting)
		if !ok {
			n = strconv.FormatInt(s.flagInt(flagDownloads), 10)
		}
		return "max_concurrent_bulk_load_downloading_count=" + n
	}
	value := args[0]
	if value == "DEFAULT" {
		value = strconv.FormatInt(s.flagInt(flagDownloads), 10)
	}
	if n, err := strconv.ParseInt(value, 10, 32); err != nil || n <= 0 {
		return "ERR: invalid arguments"
	}
	s.settings.set(downloadsSetting, value)
	return "OK"
}

// denyClient makes the replica server ignore all client requests, or tells whether
// it does.
func denyClient(s *server, args []string) string {
	switch {
	case len(args) == 0:
		return strconv.FormatBool(s.node.deaf.Load())
	case args[0] != "true" && args[0] != "false":
		return "ERR: invalid arguments"
	}
	s.node.deaf.Store(args[0] == "true")
	return "OK"
}

package sandbox

import (
	"fmt"
	"maps"
	"strconv"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// startManualCompact writes the manual_compact.once.* envs; replicas compact when
// these reach them.
func startManualCompact(c *Cluster, req *idl.StartManualCompactRequest, resp *idl.StartManualCompactResponse) {
	t, code := c.available(req.AppName)
	if t == nil {
		resp.Err, resp.HintMsg = code, notAvailableHint(req.AppName, code)
		return
	}
	if t.envs[envCompactDisabled] == "true" {
		resp.Err = idl.ErrOperationDisabled
		resp.HintMsg = fmt.Sprintf("app %s disable manual compaction", req.AppName)
		return
	}
	next := maps.Clone(t.envs)
	level := int32(-1)
	if req.TargetLevel != nil {
		level = *req.TargetLevel
	}
	if level < -1 {
		resp.Err = idl.ErrInvalidParameters
		resp.HintMsg = fmt.Sprintf("invalid target_level(%d), should in range of [-1, num_levels]", level)
		return
	}
	next[envCompactLevel] = strconv.Itoa(int(level))
	if n := req.MaxRunningCount; n != nil && *n < 0 {
		resp.Err = idl.ErrInvalidParameters
		resp.HintMsg = fmt.Sprintf("invalid max_running_count(%d), should be greater than 0", *n)
		return
	} else if n != nil && *n > 0 {
		next["manual_compact.max_concurrent_running_count"] = strconv.Itoa(int(*n))
	}
	next[envCompactBottommost] = "skip"
	if isTrue(req.Bottommost) {
		next[envCompactBottommost] = "force"
	}
	trigger := c.now().Unix()
	if req.TriggerTime != nil {
		trigger = *req.TriggerTime
	}
	next[envCompactTrigger] = strconv.FormatInt(trigger, 10)
	t.setEnvs(next)
	t.resetCompactions()
	resp.HintMsg = "succeed"
}

// available is the table with this name if it serves; otherwise code says why not.
func (c *Cluster) available(name string) (t *table, code idl.ErrorCode) {
	t = c.findTable(name)
	switch {
	case t == nil:
		return nil, idl.ErrAppNotExist
	case !t.serving():
		return nil, idl.ErrAppDropped
	default:
		return t, idl.ErrOK
	}
}

func notAvailableHint(name string, code idl.ErrorCode) string {
	if code == idl.ErrAppNotExist {
		return fmt.Sprintf("app %s is not existed", name)
	}
	return fmt.Sprintf("app %s is not available", name)
}

package sandbox

import (
	"maps"
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// updateAppEnv sets, deletes or clears envs of a table. Replicas learn of it later.
func updateAppEnv(c *Cluster, req *idl.UpdateAppEnvRequest, resp *idl.UpdateAppEnvResponse) {
	switch req.Op {
	case idl.EnvOpSet:
		setEnvs(c, req, resp)
	case idl.EnvOpDel:
		if len(req.Keys) == 0 {
			resp.Err = idl.ErrInvalidParameters
			return
		}
		c.removeEnvs(req.AppName, resp, func(map[string]string) []string { return req.Keys })
	case idl.EnvOpClear:
		if req.ClearPrefix == nil {
			resp.Err = idl.ErrInvalidParameters
			return
		}
		prefix := *req.ClearPrefix
		c.removeEnvs(req.AppName, resp, func(envs map[string]string) []string { return keysUnder(envs, prefix) })
	default:
		// meta_service::update_app_env asserts on it; the sandbox refuses instead.
		resp.Err = idl.ErrInvalidParameters
	}
}

func setEnvs(c *Cluster, req *idl.UpdateAppEnvRequest, resp *idl.UpdateAppEnvResponse) {
	if len(req.Keys) == 0 || len(req.Keys) != len(req.Values) {
		resp.Err = idl.ErrInvalidParameters
		return
	}
	for i, key := range req.Keys {
		if hint := c.release.envHint(key, req.Values[i]); hint != "" {
			resp.Err, resp.HintMessage = idl.ErrInvalidParameters, hint
			return
		}
	}
	t := c.findTable(req.AppName)
	if t == nil {
		resp.Err, resp.HintMessage = idl.ErrInvalidParameters, "invalid app name"
		return
	}
	next := maps.Clone(t.envs)
	for i, key := range req.Keys {
		next[key] = req.Values[i]
	}
	t.setEnvs(next)
}

// removeEnvs deletes the chosen keys and lists in the hint those that were there, in
// the order of the choice.
func (c *Cluster) removeEnvs(name string, resp *idl.UpdateAppEnvResponse, choose func(map[string]string) []string) {
	t := c.findTable(name)
	if t == nil {
		resp.Err, resp.HintMessage = idl.ErrInvalidParameters, "invalid app name"
		return
	}
	next, hint := maps.Clone(t.envs), "deleted keys:"
	for _, key := range choose(t.envs) {
		if _, ok := next[key]; ok {
			delete(next, key)
			hint += "\n    " + key
		}
	}
	if len(next) == len(t.envs) {
		resp.HintMessage = "no key need to delete"
		return
	}
	resp.HintMessage = hint
	t.setEnvs(next)
}

// keysUnder are the keys that CLEAR removes: those below "prefix.", or all.
func keysUnder(envs map[string]string, prefix string) []string {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(envs)) {
		if prefix == "" || (strings.HasPrefix(key, prefix+".") && len(key) > len(prefix)+1) {
			keys = append(keys, key)
		}
	}
	return keys
}

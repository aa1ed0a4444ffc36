package sandbox

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// httpRequest is the target of an HTTP request, taken apart.
type httpRequest struct {
	// path has neither outer nor doubled slashes.
	path string
	args map[string]string
}

// parseHTTPRequest does what http_request::parse does, its order included: the
// query is decoded as a whole before it is split, and "+" means itself. problem is
// "" for a good request.
func parseHTTPRequest(target string) (req *httpRequest, problem string) {
	path, query, _ := strings.Cut(target, "?")
	query, _, _ = strings.Cut(query, "#")
	path, err := url.PathUnescape(path)
	if err != nil {
		return nil, "ERR_INVALID_PARAMETERS"
	}
	if query, err = url.PathUnescape(query); err != nil {
		return nil, "ERR_INVALID_PARAMETERS"
	}
	parts := slices.DeleteFunc(strings.Split(path, "/"), func(p string) bool { return p == "" })
	req = &httpRequest{path: strings.Join(parts, "/"), args: map[string]string{}}
	for arg := range strings.SplitSeq(query, "&") {
		if arg == "" {
			continue
		}
		name, value, isPair := strings.Cut(arg, "=")
		if _, twice := req.args[name]; twice && isPair {
			return nil, fmt.Sprintf("ERR_INVALID_PARAMETERS: duplicate parameter: %s", name)
		}
		req.args[name] = value
	}
	return req, ""
}

// only tells whether the request has no arguments but these.
func (r *httpRequest) only(names ...string) bool {
	for name := range r.args {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

// has tells whether an argument was given, with a value or without.
func (r *httpRequest) has(name string) bool {
	_, ok := r.args[name]
	return ok
}

// redirect points to the same request on another server, with its arguments in the
// order of their names and not encoded again.
func (r *httpRequest) redirect(addr string) string {
	to := "http://" + addr + "/" + r.path
	sep := "?"
	for _, name := range slices.Sorted(maps.Keys(r.args)) {
		to += sep + name + "=" + r.args[name]
		sep = "&"
	}
	return to
}

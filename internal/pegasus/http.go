package pegasus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// ErrNoSuchFlag is wrapped when a server does not have a configuration flag.
var ErrNoSuchFlag = errors.New("no such flag")

// maxHTTPBody bounds a reply; /configs has about 60 KiB, /metrics grows with tables.
const maxHTTPBody = 64 << 20

// maxRedirects bounds how often a meta request follows the leader.
const maxRedirects = 3

// newHTTPClient makes a client for the HTTP service on the RPC port. Connections are
// not kept: requests are rare, and servers close them anyway. Redirects are an answer
// (a meta that does not lead sends one), which the caller follows.
func newHTTPClient(opts wire.Options) *http.Client {
	return &http.Client{
		Transport: &http.Transport{DialContext: opts.Dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// HTTPGet gets a path such as "/version" from the HTTP service of a server. The error is
// for a request without an answer; any status is an answer. A meta that does not lead
// answers 307 to paths below /meta: use MetaHTTPGet for those.
func (c *Cluster) HTTPGet(ctx context.Context, node, path string) (body []byte, status int, err error) {
	body, status, _, err = c.httpGet(ctx, "http://"+node+path)
	if err != nil {
		return nil, 0, fmt.Errorf("HTTP GET %s from %s: %w", path, node, err)
	}
	return body, status, nil
}

// MetaHTTPGet gets a path from the leader.
func (c *Cluster) MetaHTTPGet(ctx context.Context, path string) (body []byte, status int, err error) {
	m := c.currentLeader()
	if m == nil {
		if m, err = c.findLeader(ctx, openRounds); err != nil {
			return nil, 0, fmt.Errorf("HTTP GET %s: %w", path, err)
		}
	}
	at := "http://" + m.Addr() + path
	for range maxRedirects {
		var next string
		body, status, next, err = c.httpGet(ctx, at)
		if err != nil {
			return nil, 0, fmt.Errorf("HTTP GET %s: %w", at, err)
		}
		if status != http.StatusTemporaryRedirect || next == "" {
			return body, status, nil
		}
		at = next
	}
	return nil, 0, fmt.Errorf("HTTP GET %s: more than %d redirects, the last one to %s", path, maxRedirects, at)
}

// httpGet sends one request; next is where a redirect points.
func (c *Cluster) httpGet(ctx context.Context, at string) (body []byte, status int, next string, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RPCTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, 0, "", err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxHTTPBody+1))
	if err != nil {
		return nil, 0, "", err
	}
	if len(body) > maxHTTPBody {
		return nil, 0, "", fmt.Errorf("answer has more than %d bytes", maxHTTPBody)
	}
	return body, resp.StatusCode, resp.Header.Get("Location"), nil
}

// ConfigValue is the value that a flag has on a server right now. A flag that the server
// does not have is ErrNoSuchFlag.
func (c *Cluster) ConfigValue(ctx context.Context, node, flag string) (string, error) {
	body, status, err := c.HTTPGet(ctx, node, "/config?name="+url.QueryEscape(flag))
	if err != nil {
		return "", err
	}
	value, err := parseConfig(body, status)
	if err != nil {
		return "", fmt.Errorf("flag %s of %s: %w", flag, node, err)
	}
	return value, nil
}

// parseConfig reads the answer of /config. A missing flag is plain text with status 200:
// "ERR_OBJECT_NOT_FOUND: <flag> is not found".
func parseConfig(body []byte, status int) (string, error) {
	if strings.HasPrefix(string(body), "ERR_OBJECT_NOT_FOUND") {
		return "", ErrNoSuchFlag
	}
	var j struct {
		Value *string `json:"value"`
	}
	if status != http.StatusOK || json.Unmarshal(body, &j) != nil || j.Value == nil {
		return "", fmt.Errorf("server answers %d %q", status, clip(string(body)))
	}
	return *j.Value, nil
}

// DataVersions are the data versions of the replicas of a table on a node, by partition;
// empty for a node that has none. 0 and 1 exist (src/base/pegasus_value_schema.h).
func (c *Cluster) DataVersions(ctx context.Context, node string, appID int32) (map[int32]int32, error) {
	body, status, err := c.HTTPGet(ctx, node, "/replica/data_version?app_id="+strconv.Itoa(int(appID)))
	if err != nil {
		return nil, err
	}
	versions, err := parseDataVersions(body, status, appID)
	if err != nil {
		return nil, fmt.Errorf("data versions of table %d on %s: %w", appID, node, err)
	}
	return versions, nil
}

// parseDataVersions reads the answer of /replica/data_version. A node without replicas
// answers 404 "app_id=<id> not found".
func parseDataVersions(body []byte, status int, appID int32) (map[int32]int32, error) {
	if status == http.StatusNotFound && strings.Contains(string(body), fmt.Sprintf("app_id=%d not found", appID)) {
		return map[int32]int32{}, nil
	}
	var j map[string]struct {
		Version string `json:"data_version"`
	}
	if status != http.StatusOK || json.Unmarshal(body, &j) != nil {
		return nil, fmt.Errorf("server answers %d %q", status, clip(string(body)))
	}
	out := make(map[int32]int32, len(j))
	for partition, v := range j {
		p, err := strconv.ParseInt(partition, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("partition %q: %w", partition, err)
		}
		version, err := strconv.ParseInt(v.Version, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("data version of partition %d: %w", p, err)
		}
		out[int32(p)] = int32(version)
	}
	return out, nil
}

package sandbox

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strconv"
)

// Bounds of one HTTP request in bytes.
const (
	maxHTTPHead = 64 << 10
	maxHTTPBody = 1 << 20
)

// httpResponse is what a call of the HTTP service answers. The zero status is 200.
type httpResponse struct {
	status   int
	body     string
	location string // of a redirect
}

// httpCall is one path that servers answer.
type httpCall struct {
	// path has no slashes around it; "" is the list of all calls.
	path string
	run  func(s *server, req *httpRequest) httpResponse
	kind serverKind
	help string
}

// httpCalls are all calls of all releases, ordered by path.
func httpCalls() []httpCall {
	return append(append(builtinCalls(), metaCalls()...), replicaCalls()...)
}

// serveOther takes over a connection whose first bytes are no request frame. It
// returns when the connection has ended; false when it does not know the protocol
// either. HTTP shares the port with RPC, and like on a server only GET and POST are
// recognised.
func (s *server) serveOther(cn *conn, first []byte) bool {
	if !bytes.HasPrefix(first, []byte("GET ")) && !bytes.HasPrefix(first, []byte("POST")) {
		return false
	}
	from := &io.LimitedReader{R: io.MultiReader(bytes.NewReader(bytes.Clone(first)), cn.net)}
	reader := bufio.NewReader(from)
	for !cn.closed() {
		from.N = maxHTTPHead
		req, err := http.ReadRequest(reader)
		if err != nil || req.ContentLength > maxHTTPBody {
			return true
		}
		from.N = maxHTTPBody
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return true
		}
		cn.write(s.answerHTTP(req.RequestURI).encode())
		if req.Close {
			return true
		}
	}
	return true
}

// answerHTTP executes one request.
func (s *server) answerHTTP(target string) httpResponse {
	req, problem := parseHTTPRequest(target)
	if problem != "" {
		return httpResponse{status: http.StatusBadRequest, body: "failed to parse request: " + problem}
	}
	for _, call := range httpCalls() {
		if call.path == req.path && call.kind&s.kind() != 0 && s.c.release.hasPath(call.path) {
			return call.run(s, req)
		}
	}
	return httpResponse{status: http.StatusNotFound, body: `service not found for "` + req.path + `"`}
}

// kind is what kind of server s is.
func (s *server) kind() serverKind {
	if s.meta != nil {
		return onMeta
	}
	return onReplica
}

// encode is the response as http_response_reply of 2.5.0 writes it: no date, no
// server, nothing about the connection.
func (r httpResponse) encode() []byte {
	status := orDefault(r.status, http.StatusOK)
	b := append([]byte("HTTP/1.1 "), strconv.Itoa(status)...)
	b = append(append(b, ' '), http.StatusText(status)...)
	b = append(b, "\r\nContent-Type: text/plain\r\nContent-Length: "...)
	b = append(strconv.AppendInt(b, int64(len(r.body)), 10), "\r\n"...)
	if r.location != "" {
		b = append(append(append(b, "Location: "...), r.location...), "\r\n"...)
	}
	return append(append(b, "\r\n"...), r.body...)
}

// badRequest refuses a request, mostly without a word.
func badRequest(body string) httpResponse {
	return httpResponse{status: http.StatusBadRequest, body: body}
}

// notFound answers that something does not exist.
func notFound(body string) httpResponse {
	return httpResponse{status: http.StatusNotFound, body: body}
}

package sandbox

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// replayRemote runs the recorded remote commands.
func (w *world) replayRemote() {
	w.t.Helper()
	for _, x := range recordedExchanges(w.t, "remote") {
		w.at(remoteAt + x.request.T)
		q, err := idl.DecodeRequest(x.request.frame)
		if err != nil {
			w.t.Fatal(err)
		}
		var d idl.Decoder
		var cmd idl.RemoteCommandRequest
		if err := q.DecodeArgs(&d, &cmd); err != nil {
			w.t.Fatal(err)
		}
		var resp idl.RemoteCommandResponse
		w.conn(x.request).call(idl.RequestHeader{TimeoutMs: q.TimeoutMs}, idl.NameRemoteCommand, &cmd, &resp)
		want := w.here(remoteOutput(w.t, x.response))
		if !w.sameOutput(cmd, resp.Output, want) {
			w.t.Errorf("remote line %d: %s %q\n  sandbox: %s\n  recorded: %s", x.request.line, cmd.Cmd, cmd.Arguments, resp.Output, want)
		}
	}
}

// sameOutput compares what a command printed, apart from times and measurements.
func (w *world) sameOutput(cmd idl.RemoteCommandRequest, got, want string) bool {
	switch {
	case cmd.Cmd == "server-info":
		started := regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$`)
		return started.MatchString(got) && started.ReplaceAllString(got, "") == started.ReplaceAllString(want, "")
	case cmd.Cmd == "server-stat":
		number := regexp.MustCompile(`=\d+`)
		return number.ReplaceAllString(got, "=") == number.ReplaceAllString(want, "=")
	case cmd.Cmd == "config-dump":
		return w.sameConfig(got, want)
	case strings.HasPrefix(cmd.Cmd, "perf-counters"):
		return w.sameCounters(got, want)
	default:
		return got == want
	}
}

// counterOutput is the output of the perf-counters commands.
type counterOutput struct {
	Result       string `json:"result"`
	Timestamp    int64  `json:"timestamp"`
	TimestampStr string `json:"timestamp_str"`
	Counters     []struct {
		Name  string      `json:"name"`
		Type  string      `json:"type"`
		Value json.Number `json:"value"`
	} `json:"counters"`
}

// sameCounters compares names and types of counters in any order, and what requests
// failed a moment ago in scenario scan; other values have to be doubles.
func (w *world) sameCounters(got, want string) bool {
	w.t.Helper()
	names := func(text string) []string {
		var out counterOutput
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			w.t.Fatalf("%v: %s", err, text)
		}
		if at := time.Unix(out.Timestamp, 0).UTC().Format(timeFormat); at != out.TimestampStr {
			w.t.Errorf("timestamp %d is not %s", out.Timestamp, out.TimestampStr)
		}
		list := []string{out.Result}
		for _, c := range out.Counters {
			if !strings.Contains(c.Value.String(), ".") {
				w.t.Errorf("value %s of %s is no double", c.Value, c.Name)
			}
			line := c.Name + " " + c.Type
			if strings.HasSuffix(c.Name, ".fail.count") {
				line += " " + c.Value.String()
			}
			list = append(list, line)
		}
		slices.Sort(list)
		return list
	}
	return slices.Equal(names(got), names(want))
}

// configLine is one setting of a configuration dump.
type configLine struct{ comment, value string }

// sameConfig tells whether every setting of the dump is in the recorded one, with the
// same comment and value, and every line has the same form. Names, addresses and
// paces of the cluster are its own.
func (w *world) sameConfig(got, want string) bool {
	w.t.Helper()
	here, there := parseDump(w.t, got), parseDump(w.t, want)
	own := w.c.flagValues()
	for name, line := range here {
		section, key, _ := strings.Cut(name, "\n")
		recorded, ok := there[name]
		_, isOwn := own[key]
		switch {
		case !ok:
			w.t.Errorf("[%s] has no %s in the recording", section, key)
		case section == "apps.meta" || section == "apps.replica" || key == "server_list" || isOwn:
		case line != recorded:
			w.t.Errorf("[%s] %s is %+v, recorded %+v", section, key, line, recorded)
		}
	}
	return len(here) > 250
}

// parseDump reads a configuration dump by section and key.
func parseDump(t *testing.T, text string) map[string]configLine {
	t.Helper()
	settings := map[string]configLine{}
	section, comment := "", ""
	for line := range strings.SplitSeq(text, "\n") {
		key, value, isSetting := strings.Cut(line, " =")
		switch {
		case line == "":
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			section = strings.Trim(line, "[]")
		case strings.HasPrefix(line, "; "):
			comment = line[2:]
		case isSetting && section != "":
			settings[section+"\n"+key] = configLine{comment, strings.TrimSpace(value)}
		default:
			t.Errorf("line %q is neither section nor comment nor setting", line)
		}
	}
	return settings
}

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/actuate"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/difference"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/state"
)

// shownPerKind is how many rows of each kind a repair shows before it asks.
const shownPerKind = 3

// listed are the differences of a report, counted and with the first of each kind.
type listed struct {
	path   string
	lines  uint64
	counts map[string]uint64
	first  []event.Difference
	shown  map[string]int
}

func newListed(path string) *listed {
	return &listed{path: path, counts: map[string]uint64{}, shown: map[string]int{}}
}

func (l *listed) add(e difference.Entry) {
	l.lines++
	l.counts[e.Kind]++
	if l.shown[e.Kind] < shownPerKind {
		l.shown[e.Kind]++
		l.first = append(l.first, actuate.ShownEntry(e))
	}
}

// compare reads both tables and lists what differs when a report or a repair needs it; the list is nil otherwise.
func (v *verification) compare(ctx context.Context) (event.Verified, *listed, error) {
	sink, done := v.sink(v.o.json, "verify")
	defer done()
	defer v.servePace(ctx, sink, "verify")()
	var list *listed
	var out *difference.Writer
	job := actuate.Comparison{Source: v.source, Target: v.target, Options: v.options(), Limits: v.limits(),
		Patience: v.feed.patience, ExpirySkew: v.feed.skew, AllowExtra: v.allowExtra(),
		Report: func(p event.MoveProgress) { p.Step = "verify"; sink.Emit(p) }}
	if path := v.reportPath(); path != "" {
		var err error
		if out, err = difference.Create(v.env.FS, path, v.header); err != nil {
			return event.Verified{}, nil, v.unwritable(path, err)
		}
		defer out.Abort() // after Finish it does nothing
		list = newListed(path)
		job.Drift = v.o.drift
		job.Each = func(e difference.Entry) error {
			list.add(e)
			return out.Add(e)
		}
	}
	resume := v.resumable(sink)
	job.Before, job.Save = resume.before, resume.save
	result, err := actuate.NewLive(v.actuators, v.env.Now).Compare(ctx, job)
	resume.flush()
	if err != nil {
		return result, nil, v.unfinished(ctx, sink, err)
	}
	resume.remove()
	result.Step, result.Round = "verify", 1
	if out != nil {
		if _, err := out.Finish(difference.End{SourceRows: result.SourceRows, TargetRows: result.TargetRows,
			Open: result.Open, Cut: result.Cut, At: v.env.Now().UTC()}); err != nil {
			return result, nil, v.unwritable(list.path, err)
		}
	}
	sink.Emit(v.shownResult(result))
	if result.Drifted > 0 && v.o.drift && list == nil {
		fmt.Fprintf(v.env.Stderr, "  `%s` lists them\n", v.command("-drift", "-report", "FILE"))
	}
	return result, list, nil
}

// shownResult leaves the rows to the list that a repair shows.
func (v *verification) shownResult(result event.Verified) event.Verified {
	if v.o.repair {
		result.FirstDiffering = nil
	}
	return result
}

// unfinished says that a comparison stopped.
func (v *verification) unfinished(ctx context.Context, sink event.Sink, err error) error {
	if ctx.Err() != nil {
		sink.Emit(event.Interrupted{Step: "verify", Resume: v.again()})
		return &apply.InterruptedError{Step: "verify"}
	}
	return &failure{Code: apply.CodeVerify, Text: "the comparison could not be finished: " + err.Error(),
		Hint: "nothing was changed; run it again: partitions that were found equal are not compared twice"}
}

// again is the same command.
func (v *verification) again() string {
	var flags []string
	add := func(set bool, text ...string) {
		if set {
			flags = append(flags, text...)
		}
	}
	add(v.o.json, "-json")
	add(v.o.mode != "" && v.o.sample == 0, "-mode", v.o.mode)
	add(v.o.sample > 0, "-sample", fmt.Sprint(v.o.sample))
	add(v.o.patient, "-patience", v.o.patience.String())
	add(v.o.report != "", "-report", quoted(v.o.report))
	add(v.o.repair, "-repair")
	add(v.o.drift, "-drift")
	add(v.o.from != "", "-from", quoted(v.o.from))
	add(v.o.autoApprove, "-auto-approve")
	return v.command(flags...)
}

// reportPath is where differences are listed, "" when nobody needs the list.
func (v *verification) reportPath() string {
	switch {
	case v.o.report != "":
		return v.o.report
	case v.o.repair: // the folder is there: the lock of the state is in it
		return filepath.Join(v.dir, state.Folder, v.migration.Name+".differences.jsonl")
	}
	return ""
}

func (v *verification) unwritable(path string, err error) error {
	return failf(codeUnwritable, "give -report a path in a folder that can be written", "the report %s cannot be written: %v", path, err)
}

// Cursors of a comparison are kept so long: what was equal a day ago says little of now.
const cursorsLimit = 24 * time.Hour

// saveEvery is the least time between two writes of the cursors.
const saveEvery = 2 * time.Second

// kept is the file beside the state from which an interrupted comparison goes on.
type kept struct {
	Version int       `json:"version"`
	Begun   time.Time `json:"begun"`
	// Of is what was compared and how; cursors of anything else are worth nothing.
	Of      json.RawMessage `json:"of"`
	Cursors json.RawMessage `json:"cursors"`
}

const keptVersion = 1

// resumable keeps the cursors of one comparison.
type resumable struct {
	v       *verification
	sink    event.Sink
	path    string
	file    kept
	before  json.RawMessage
	written time.Time
	broken  bool // the file cannot be written, which was told
	dirty   bool
}

// resumable reads what an earlier comparison left, unless it does not fit any more.
func (v *verification) resumable(sink event.Sink) *resumable {
	r := &resumable{v: v, sink: sink, written: v.env.Now(), path: filepath.Join(v.dir, state.Folder, v.migration.Name+".verify.json")}
	identity := v.header
	identity.At, identity.Tool, identity.Patience = time.Time{}, "", 0
	of, err := json.Marshal(struct {
		difference.Header
		Fed, Merge bool
	}{identity, v.feed.patience > 0, v.allowExtra()})
	if err != nil {
		r.broken = true
		return r
	}
	r.file = kept{Version: keptVersion, Begun: v.env.Now().UTC(), Of: of}
	if data, err := v.env.FS.ReadFile(r.path); err == nil && !v.o.restart {
		r.take(data)
	}
	return r
}

// take goes on with an earlier comparison, or says why not.
func (r *resumable) take(data []byte) {
	var old kept
	now := r.v.env.Now()
	say := func(why string) {
		r.sink.Emit(event.Warning{Step: "verify", Text: "an interrupted comparison is not gone on with, everything is compared: " + why})
	}
	switch err := json.Unmarshal(data, &old); {
	case err != nil || old.Version != keptVersion:
		say("what it kept cannot be read")
	case string(old.Of) != string(r.file.Of):
		say("it was of other tables, or had other options")
	case now.Sub(old.Begun) > cursorsLimit:
		say(fmt.Sprintf("it was begun %s ago", now.Sub(old.Begun).Round(time.Hour)))
	default:
		fmt.Fprintf(r.v.env.Stderr, "going on with the comparison that was begun at %s; -restart begins anew\n", old.Begun.UTC().Format(time.RFC3339))
		r.file, r.before = old, old.Cursors
	}
}

// save keeps cursors, at most every few seconds.
func (r *resumable) save(cursors json.RawMessage) error {
	r.file.Cursors, r.dirty = cursors, true
	if now := r.v.env.Now(); now.Sub(r.written) >= saveEvery {
		r.written = now
		r.flush()
	}
	return nil
}

// flush writes the cursors. A comparison is worth having without them, so that a folder that cannot be written is told
// and nothing else.
func (r *resumable) flush() {
	if !r.dirty || r.broken {
		return
	}
	r.dirty = false
	data, err := json.Marshal(r.file)
	if err == nil {
		err = r.v.env.FS.MkdirAll(filepath.Dir(r.path))
	}
	if err == nil {
		err = atomicfile.WriteFile(r.v.env.FS, r.path, data)
	}
	if err != nil {
		r.broken = true
		r.sink.Emit(event.Warning{Step: "verify", Text: fmt.Sprintf("should this be interrupted, it begins anew: %v", err)})
	}
}

// remove forgets a comparison that is finished.
func (r *resumable) remove() {
	if _, err := os.Lstat(r.path); err == nil {
		_ = r.v.env.FS.Remove(r.path) // one that stays is refused by its age, or says what is still so
	}
}

package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"unicode/utf8"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// magic is what makes a JSON file a state document of ours.
const magic = "pegmigrate-state"

// envelope is the outermost layer of every format, past and future: enough to tell a foreign file, a newer one and a
// damaged one apart before anything in the document is believed. It may gain fields but these never change.
type envelope struct {
	Format        string `json:"format"`
	FormatVersion int    `json:"format_version"`
	ToolVersion   string `json:"tool_version"`
	// Checksum is over FormatVersion and the document without insignificant white space, so that a pretty-printer does
	// no harm.
	Checksum string          `json:"checksum"`
	Document json.RawMessage `json:"document"`
}

// encode makes the file of a document, in the newest format, and returns the document as the file says it.
func encode(d *Document) ([]byte, *Document, error) {
	if err := check(d); err != nil {
		return nil, nil, err
	}
	raw, err := writeV1(d)
	if err != nil {
		return nil, nil, err
	}
	e := envelope{Format: magic, FormatVersion: FormatVersion, ToolVersion: d.ToolVersion, Document: raw}
	e.Checksum = checksum(e.FormatVersion, raw)
	compact, err := marshal(e)
	if err != nil {
		return nil, nil, err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, compact, "", "  "); err != nil {
		return nil, nil, err
	}
	data := append(indented.Bytes(), '\n')
	// Reading back what is about to be written costs a millisecond and means that no file is ever written that the next
	// run cannot read.
	stored, err := decode("", d.Migration, data)
	if err != nil {
		return nil, nil, fmt.Errorf("the document does not survive being written: %w", err)
	}
	return data, stored, nil
}

// decode reads a file of any format. Its errors are *UnusableError and *NewerError; path is for them.
func decode(path, migration string, data []byte) (*Document, error) {
	unusable := func(err error, format string, args ...any) error {
		return &UnusableError{Path: path, Reason: fmt.Sprintf(format, args...), Err: err}
	}
	e, reason, err := sniff(data)
	switch {
	case reason != "":
		return nil, unusable(err, "%s", reason)
	case e.Format != magic:
		return nil, unusable(nil, "it is not a pegmigrate state document")
	case e.FormatVersion > FormatVersion:
		return nil, &NewerError{Path: path, Version: e.FormatVersion, Writer: e.ToolVersion}
	case e.FormatVersion < 1:
		return nil, unusable(nil, "it has no valid format version")
	case len(e.Document) == 0:
		return nil, unusable(nil, "there is no document in it")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, e.Document); err != nil {
		return nil, unusable(err, "the document in it is not JSON")
	}
	if e.Checksum != checksum(e.FormatVersion, compact.Bytes()) {
		return nil, unusable(nil, "its checksum does not fit its content: it was changed by hand or damaged")
	}
	d, err := readV1(compact.Bytes())
	if err != nil {
		return nil, unusable(err, "the document in it does not have the layout of format %d", e.FormatVersion)
	}
	d.Checksum = e.Checksum
	if d.Migration != migration {
		return nil, unusable(nil, "it belongs to migration %q, not %q", d.Migration, migration)
	}
	if err := check(d); err != nil {
		return nil, unusable(err, "the document in it contradicts itself")
	}
	return d, nil
}

// sniff reads the envelope only. A reason is given when there is none.
func sniff(data []byte) (e envelope, reason string, err error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return e, "it is empty", nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err = dec.Decode(&e); err != nil {
		if _, wrongType := errors.AsType[*json.UnmarshalTypeError](err); wrongType {
			return e, "it is not a pegmigrate state document", err
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return e, "it is truncated", nil
		}
		return e, "it is not JSON", err
	}
	if len(bytes.TrimSpace(data[dec.InputOffset():])) != 0 {
		return e, "something follows the document", nil
	}
	return e, "", nil
}

// marshal is json.Marshal without the escapes for HTML, which would change the bytes of a Blob's Data: its owner may
// keep a fingerprint of them.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func checksum(version int, compact []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s/%d\n", magic, version)
	h.Write(compact)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// check refuses documents that no run of ours can mean. The same rules hold for what is written and what is read.
func check(d *Document) error {
	if d.Lineage == "" {
		return errors.New("the document has no lineage")
	}
	switch d.Outcome {
	case OutcomeOpen, OutcomeDone, OutcomeRolledBack:
	default:
		return fmt.Errorf("unknown outcome %q", d.Outcome)
	}
	seen := make(map[string]bool, len(d.Steps))
	for _, s := range d.Steps {
		if err := checkName("a step", s.ID); err != nil {
			return err
		}
		if seen[s.ID] {
			return fmt.Errorf("two steps are called %q", s.ID)
		}
		seen[s.ID] = true
		switch s.Status {
		case Pending, Intended, Done, Failed, Undone:
		default:
			return fmt.Errorf("step %s: unknown status %q", s.ID, s.Status)
		}
		if err := errors.Join(s.Intent.check(), s.Prior.check(), s.Cursor.check(), s.Proof.check()); err != nil {
			return fmt.Errorf("step %s: %w", s.ID, err)
		}
	}
	return errors.Join(d.Plan.check(), d.Owner.check())
}

func (b *Blob) check() error {
	switch {
	case b == nil:
		return nil
	case b.Kind == "":
		return errors.New("a blob has no kind")
	case !utf8.ValidString(b.Kind) || !utf8.ValidString(b.Key):
		// JSON would replace the bytes, and the record would come back under another key.
		return fmt.Errorf("blob %q: kind and key must be UTF-8", b.Kind)
	case len(b.Data) > 0 && !json.Valid(b.Data):
		return fmt.Errorf("blob %s: its data is not JSON", b.Kind)
	}
	return nil
}

// ReadOnly reads the document without taking the lock, for commands that change nothing. A run may be changing it; what
// comes back is one whole version. The errors are those of Open, but for the lock.
func ReadOnly(fsys atomicfile.FS, dir, migration string) (*Document, error) {
	if err := checkName("the migration", migration); err != nil {
		return nil, err
	}
	d, _, err := load(fsys, dir, migration)
	return d, err
}

// load reads the document and its bytes. An *UnusableError tells whether the backup would do instead.
func load(fsys atomicfile.FS, dir, migration string) (*Document, []byte, error) {
	path := Path(dir, migration)
	data, err := fsys.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s: %w", path, ErrNoState)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the state: %w", err)
	}
	d, err := decode(path, migration, data)
	if u, ok := errors.AsType[*UnusableError](err); ok {
		backup := BackupPath(dir, migration)
		if old, readErr := fsys.ReadFile(backup); readErr == nil {
			if _, decodeErr := decode(backup, migration, old); decodeErr == nil {
				u.Backup = backup
			}
		}
	}
	if err != nil {
		return nil, nil, err
	}
	return d, data, nil
}

package state

import (
	"encoding/json"
	"testing"
)

// A copy shares no blob with its document: what is changed in one must not show in the other.
func TestCloneCopiesEveryBlob(t *testing.T) {
	one := func(name string) *Blob { return &Blob{Kind: name, Version: 1, Data: json.RawMessage(`"` + name + `"`)} }
	d := &Document{Plan: one("plan"), Owner: one("marker"), Certificate: one("certificate"),
		Return: one("return"), ReturnCertificate: one("return certificate"),
		Steps: []Step{{ID: "own", Intent: one("intent"), Prior: one("prior"), Cursor: one("cursor"), Proof: one("proof")}}}
	c := d.Clone()
	for _, b := range []*Blob{c.Plan, c.Owner, c.Certificate, c.Return, c.ReturnCertificate, c.Steps[0].Intent, c.Steps[0].Prior, c.Steps[0].Cursor, c.Steps[0].Proof} {
		b.Data[1] = 'X'
	}
	for _, b := range []*Blob{d.Plan, d.Owner, d.Certificate, d.Return, d.ReturnCertificate, d.Steps[0].Intent, d.Steps[0].Prior, d.Steps[0].Cursor, d.Steps[0].Proof} {
		if string(b.Data) != `"`+b.Kind+`"` {
			t.Errorf("%s is shared: %s", b.Kind, b.Data)
		}
	}
}

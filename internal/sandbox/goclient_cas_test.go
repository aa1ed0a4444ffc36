package sandbox

import (
	"fmt"
	"testing"

	"github.com/apache/incubator-pegasus/go-client/pegasus"
)

func TestGoClientCheckAndSet(t *testing.T) {
	g := openGoTable(t, 4)
	g.set("h", "text", "hello")
	g.set("h", "empty", "")
	g.set("h", "ten", "10")
	for i, c := range []struct {
		sortKey, operand string
		check            pegasus.CheckType
		passes           bool
	}{
		{"absent", "", pegasus.CheckTypeNoCheck, true},
		{"absent", "", pegasus.CheckTypeValueNotExist, true},
		{"empty", "", pegasus.CheckTypeValueNotExist, false},
		{"empty", "", pegasus.CheckTypeValueNotExistOrEmpty, true},
		{"text", "", pegasus.CheckTypeValueNotExistOrEmpty, false},
		{"empty", "", pegasus.CheckTypeValueExist, true},
		{"absent", "", pegasus.CheckTypeValueExist, false},
		{"empty", "", pegasus.CheckTypeValueNotEmpty, false},
		{"text", "", pegasus.CheckTypeValueNotEmpty, true},
		{"text", "ell", pegasus.CheckTypeMatchAnywhere, true},
		{"text", "hel", pegasus.CheckTypeMatchPrefix, true},
		{"text", "ell", pegasus.CheckTypeMatchPrefix, false},
		{"text", "llo", pegasus.CheckTypeMatchPostfix, true},
		{"text", "help", pegasus.CheckTypeBytesLess, true},
		{"text", "hello", pegasus.CheckTypeBytesLess, false},
		{"text", "hello", pegasus.CheckTypeBytesLessOrEqual, true},
		{"text", "hello", pegasus.CheckTypeBytesEqual, true},
		{"text", "hello", pegasus.CheckTypeBytesGreaterOrEqual, true},
		{"text", "hello", pegasus.CheckTypeBytesGreater, false},
		{"ten", "9", pegasus.CheckTypeIntLess, false},
		{"ten", "9", pegasus.CheckTypeIntGreaterOrEqual, true},
		{"ten", "10", pegasus.CheckTypeIntEqual, true},
		{"ten", "+10", pegasus.CheckTypeIntLessOrEqual, true},
	} {
		set := fmt.Sprintf("set%d", i)
		options := &pegasus.CheckAndSetOptions{ReturnCheckValue: true}
		res, err := g.CheckAndSet(g.ctx(), []byte("h"), []byte(c.sortKey), c.check, []byte(c.operand), []byte(set), []byte("new"), options)
		g.must(err)
		if res.SetSucceed != c.passes {
			t.Errorf("check %d of %s against %q passes: %v", c.check, c.sortKey, c.operand, res.SetSucceed)
		}
		want := map[string]string{"text": "hello", "ten": "10"}[c.sortKey]
		if !res.CheckValueReturned || res.CheckValueExist != (c.sortKey != "absent") || string(res.CheckValue) != want {
			t.Errorf("check of %s returns %+v", c.sortKey, res)
		}
		if c.passes {
			g.wants("h", set, "new")
		} else {
			g.wants("h", set, "-")
		}
	}
}

// TestGoClientCheckAndSetOneRow checks and sets the same row, without its value in
// the answer.
func TestGoClientCheckAndSetOneRow(t *testing.T) {
	g := openGoTable(t, 2)
	key := []byte("lock")
	for i, passes := range []bool{true, false} {
		res, err := g.CheckAndSet(g.ctx(), key, key, pegasus.CheckTypeValueNotExist, nil, key, fmt.Appendf(nil, "owner %d", i), nil)
		g.must(err)
		if res.SetSucceed != passes || res.CheckValueReturned || len(res.CheckValue) > 0 {
			t.Errorf("attempt %d: %+v", i, res)
		}
	}
	g.wants("lock", "lock", "owner 0")
}

package traffic

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// TestCheckJudges holds single keys against what a journal says of them.
func TestCheckJudges(t *testing.T) {
	now := time.Now()
	past, soon := pegkey.ExpireTs(now.Add(-time.Hour)), pegkey.ExpireTs(now.Add(time.Hour))
	row := func(value string, expire uint32) []Row { return []Row{{Key{"h", "s"}.raw(), []byte(value), expire}} }
	num := func(v uint32) string { return strconv.FormatUint(uint64(v), 10) }
	put1, put2, del2 := `{"n":1,"op":"put","h":"h","s":"s","v":"1"}`, `{"n":2,"op":"put","h":"h","s":"s","v":"2"}`, `{"n":2,"op":"delete","h":"h","s":"s"}`
	ok1, ok2, no2, maybe2 := `{"n":1,"end":"ok"}`, `{"n":2,"end":"ok"}`, `{"n":2,"end":"no"}`, `{"n":2,"end":"maybe"}`
	for name, c := range map[string]struct {
		lines []string
		rows  []Row
		want  Report
	}{
		"nothing":                            {nil, nil, Report{}},
		"there":                              {[]string{put1, ok1}, row("1", 0), Report{}},
		"missing":                            {[]string{put1, ok1}, nil, Report{Missing: 1}},
		"the one before":                     {[]string{put1, ok1, put2, ok2}, row("1", 0), Report{Wrong: 1}},
		"refused":                            {[]string{put1, ok1, put2, no2}, row("1", 0), Report{}},
		"refused and done":                   {[]string{put1, ok1, put2, no2}, row("2", 0), Report{Wrong: 1}},
		"open and not done":                  {[]string{put1, ok1, put2, maybe2}, row("1", 0), Report{}},
		"open and done":                      {[]string{put1, ok1, put2, maybe2}, row("2", 0), Report{}},
		"open, both gone":                    {[]string{put1, ok1, put2, maybe2}, nil, Report{Missing: 1}},
		"on its way at the end":              {[]string{put1, ok1, put2}, row("2", soon), Report{}},
		"open delete, done":                  {[]string{put1, ok1, del2, maybe2}, nil, Report{}},
		"open delete, not done":              {[]string{put1, ok1, del2}, row("1", 0), Report{}},
		"deleted":                            {[]string{put1, ok1, del2, ok2}, nil, Report{}},
		"resurrected":                        {[]string{put1, ok1, del2, ok2}, row("1", 0), Report{Resurrected: 1}},
		"never acknowledged, there":          {[]string{put1, `{"n":1,"end":"no"}`}, row("1", 0), Report{Resurrected: 1}},
		"acknowledged, an attempt left open": {[]string{put1, `{"n":1,"end":"ok-maybe"}`}, row("1", 0), Report{}},
		"stamped":                            {[]string{put1, ok1}, row("1", soon), Report{Stamped: 1}},
		"expiry":                             {[]string{put1, `{"n":1,"end":"ok","e":` + num(soon) + `}`}, row("1", soon+1), Report{}},
		"another expiry":                     {[]string{put1, `{"n":1,"end":"ok","e":` + num(soon) + `}`}, row("1", soon+9), Report{Expiry: 1}},
		"expiry lost":                        {[]string{put1, `{"n":1,"end":"ok","e":` + num(soon) + `}`}, row("1", 0), Report{Expiry: 1}},
		"expired":                            {[]string{put1, `{"n":1,"end":"ok","e":` + num(past) + `}`}, nil, Report{}},
	} {
		journal := strings.Join(append(c.lines, ""), "\n")
		r, err := Check(strings.NewReader(journal), func(yield func(Row, error) bool) {
			for _, r := range c.rows {
				if !yield(r, nil) {
					return
				}
			}
		}, now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.Missing != c.want.Missing || r.Wrong != c.want.Wrong || r.Resurrected != c.want.Resurrected || r.Expiry != c.want.Expiry || r.Stamped != c.want.Stamped {
			t.Errorf("%s: %+v", name, *r)
		}
		if want := c.want.Missing+c.want.Wrong+c.want.Resurrected+c.want.Expiry == 0; r.OK() != want || (len(r.Findings) == 0) != want {
			t.Errorf("%s: ok is %v, %v", name, r.OK(), r.Findings)
		}
	}
	for name, bad := range map[string]string{"no JSON": "x\n", "ended before it began": ok1 + "\n"} {
		if _, err := Check(strings.NewReader(bad), func(func(Row, error) bool) {}, now); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if r, err := Check(strings.NewReader(put1+"\n"+`{"n":1,"en`), func(func(Row, error) bool) {}, now); err != nil || !r.Torn || !r.OK() {
		t.Errorf("a torn line: %+v, %v", r, err)
	}
}

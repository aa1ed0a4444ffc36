package sandbox

import (
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

func TestThrottle(t *testing.T) {
	now := clockStart
	var th throttle
	th.set("30*delay*100,60*reject*200", 10) // 4 and 7 for one of ten partitions
	outcome := func() string {
		switch a := th.control(now, 1000, 1); a {
		case admission{}:
			return "pass"
		case admission{delay: 100 * time.Millisecond}:
			return "delay"
		case admission{code: idl.ErrBusy, delay: 200 * time.Millisecond}:
			return "reject"
		default:
			t.Fatalf("%+v", a)
			return ""
		}
	}
	for second := range 2 {
		now = now.Add(time.Second)
		for i, want := range []string{"pass", "pass", "pass", "pass", "delay", "delay", "delay", "reject", "reject"} {
			if got := outcome(); got != want {
				t.Errorf("second %d, request %d: %s, want %s", second, i, got, want)
			}
		}
	}
	if a := th.control(now, 100, 1); a.delay != 50*time.Millisecond {
		t.Errorf("delay %v with a client timeout of 100 ms", a.delay)
	}
	th.set("", 10)
	if th.enabled() || outcome() != "pass" {
		t.Error("throttling without the env")
	}
	th.set("1*bogus*1", 10)
	if th.enabled() {
		t.Error("throttling with a bad env")
	}
}

func TestWritesAreThrottled(t *testing.T) {
	c, clock, tc := manual(t)
	if err := c.SetEnvs("t", map[string]string{envWriteQPS: "8*reject*0"}); err != nil {
		t.Fatal(err)
	}
	c.SyncEnvs()
	raw := key("a", "b")
	put := func() idl.ErrorCode {
		return tc.try(raw, idl.NamePut, &idl.UpdateRequest{Key: raw}, &idl.UpdateResponse{})
	}
	var codes []idl.ErrorCode
	for range 5 {
		codes = append(codes, put())
	}
	if count(codes, idl.ErrOK) != 3 || codes[4] != idl.ErrBusy {
		t.Errorf("8 per second on 4 partitions: %v", codes)
	}
	clock.Advance(time.Second)
	if got := put(); got != idl.ErrOK {
		t.Errorf("next second: %s", string(got))
	}
}

func TestDelayedWriteIsExecutedLater(t *testing.T) {
	c := start(t, fast())
	tc := open(t, c, TableSpec{Name: "t", Partitions: 1})
	if err := c.SetEnvs("t", map[string]string{envWriteQPS: "0*delay*5"}); err != nil {
		t.Fatal(err)
	}
	c.SyncEnvs()
	// The first write of each second passes, and one second may end on the way.
	began := time.Now()
	for range 4 {
		tc.put("k", "s", "v", 0)
	}
	if took := time.Since(began); took < 10*time.Millisecond {
		t.Errorf("four writes took %v, two or three of them are delayed by 5 ms", took)
	}
	if v, _ := tc.get("k", "s"); v != "v" {
		t.Error("a delayed write is lost")
	}
}

func TestReadsAreThrottledBySize(t *testing.T) {
	c, clock, tc := manual(t)
	if err := c.SetEnvs("t", map[string]string{envReadSize: "4000"}); err != nil {
		t.Fatal(err)
	}
	c.SyncEnvs()
	tc.put("k", "s", string(make([]byte, 2000)), 0)
	raw := key("k", "s")
	get := func() idl.ErrorCode { return tc.try(raw, idl.NameGet, &idl.BlobRequest{Key: raw}, &idl.GetResponse{}) }
	if first, second := get(), get(); first != idl.ErrOK || second != idl.ErrBusy {
		t.Errorf("1000 bytes per second, 2000 at once: %s, %s", string(first), string(second))
	}
	clock.Advance(2 * time.Second)
	if got := get(); got != idl.ErrOK {
		t.Errorf("two seconds later: %s", string(got))
	}
}

func TestReadSizeLimit(t *testing.T) {
	for value, want := range map[string]struct {
		limit      int64
		reject, ok bool
	}{
		"20000":                         {20000, true, true},
		"20K":                           {20000, true, true},
		"3M":                            {3000000, true, true},
		"100*delay*1":                   {1, false, true},
		"100*delay*1,200*reject*1":      {200, true, true},
		"200*reject*1":                  {200, true, true},
		"0":                             {},
		"x":                             {},
		"":                              {},
		"1*delay*1,x*reject*1,3*delay*": {},
	} {
		if limit, reject, ok := readSizeLimit(value); limit != want.limit || reject != want.reject || ok != want.ok {
			t.Errorf("%q: %d, %v, %v", value, limit, reject, ok)
		}
	}
}

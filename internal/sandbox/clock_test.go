package sandbox

import (
	"fmt"
	"testing"
	"time"
)

func TestManualClock(t *testing.T) {
	m := NewManualClock(clockStart)
	var got []string
	note := func(s string) func() {
		return func() { got = append(got, fmt.Sprintf("%s@%v", s, m.Now().Sub(clockStart))) }
	}
	m.AfterFunc(2*time.Second, note("late"))
	m.AfterFunc(time.Second, note("first"))
	m.AfterFunc(time.Second, note("second"))
	m.AfterFunc(time.Second, func() { m.AfterFunc(time.Second/2, note("nested")) })
	stop := m.AfterFunc(time.Second, note("stopped"))
	m.AfterFunc(time.Hour, note("never"))
	if !stop() || stop() {
		t.Error("a timer can be stopped once")
	}
	m.Advance(3 * time.Second)
	if want := "[first@1s second@1s nested@1.5s late@2s]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
	if !m.Now().Equal(clockStart.Add(3 * time.Second)) {
		t.Errorf("clock at %v", m.Now())
	}
}

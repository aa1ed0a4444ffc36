package copier

import "testing"

// A window that has grown wide again is not what holds a copy back that few writes of are in flight.
func TestWindowBindsWhileItIsUsed(t *testing.T) {
	win := newWindow(1000, 1<<20)
	g := newGovernor(win, nil)
	win.limit.Store(100)
	if g.binds() {
		t.Error("nothing is in flight, and the window of 100 binds")
	}
	for range 25 {
		if !win.try(1 << opShift) {
			t.Fatal("no room")
		}
	}
	if !g.binds() {
		t.Error("a quarter of the window is used, and it does not bind")
	}
}

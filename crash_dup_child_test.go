package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/cli"
	"github.com/pegmigrate/pegmigrate/internal/wire"
	"github.com/pegmigrate/pegmigrate/state"
)

// The environment of a process that is to be killed at a point of one step: how often a cut-over looks
// at its clusters varies with timing, so that a number counted from the start would name another moment
// each time.
const (
	envCrashStep = "PEGMIGRATE_TEST_CRASH_STEP" // the step whose points envCrashAt counts, or beforeSteps
	// envCrashLate is how long after the point it happens, a duration: what was sent is on its way then.
	envCrashLate = "PEGMIGRATE_TEST_CRASH_LATE"
	envSteps     = "PEGMIGRATE_TEST_STEPS" // file that gets the number of points of each step
	// envWatchdogAt kills the watchdog too: 1 when apply has died, n at the n-1-th point after that.
	envWatchdogAt = "PEGMIGRATE_TEST_WATCHDOG_AT"
)

const (
	// beforeSteps is where a run is before its first step was begun.
	beforeSteps = "before"
	// anyStep has the points of the whole run counted.
	anyStep = "any"
)

// stepPoints is how many points a step had.
type stepPoints struct {
	Step   string `json:"step"`
	Points int    `json:"points"`
}

// While a step waits it asks the same again and again: of each kind of request the first alikePoints are
// points, and then every alikeStride-th.
const (
	alikePoints = 12
	alikeStride = 10
)

// stepKiller ends the process with SIGKILL at the n-th point since a step was begun. A step reaches
// from the moment its intent is in the state document to that of the next. Points are those of killer,
// but for what is alike.
type stepKiller struct {
	step string
	at   int
	late time.Duration

	mu      sync.Mutex
	steps   []stepPoints
	total   int            // points of all steps
	alike   map[string]int // points of the step by kind
	reached bool           // the step was begun
	data    int
	dying   bool
}

func newStepKiller() *stepKiller {
	k := &stepKiller{step: os.Getenv(envCrashStep), steps: []stepPoints{{Step: beforeSteps}}, alike: map[string]int{}}
	k.at, _ = strconv.Atoi(os.Getenv(envCrashAt))
	k.late, _ = time.ParseDuration(os.Getenv(envCrashLate))
	k.reached = k.step == beforeSteps || k.step == anyStep
	return k
}

// point counts one. A run that left the step before its n-th point is killed right there, so that it
// dies in any case.
func (k *stepKiller) point(kind string) {
	k.mu.Lock()
	k.alike[kind]++
	if n := k.alike[kind]; n > alikePoints && n%alikeStride != 0 {
		k.mu.Unlock()
		return
	}
	now := &k.steps[len(k.steps)-1]
	now.Points++
	k.total++
	there := now.Points >= k.at || now.Step != k.step
	if k.step == anyStep {
		there = k.total >= k.at
	}
	hit := k.at > 0 && k.reached && !k.dying && there
	k.dying = k.dying || hit
	k.mu.Unlock()
	if hit && k.late > 0 {
		time.AfterFunc(k.late, func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) })
		return
	}
	if hit {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal arrives
	}
}

func (k *stepKiller) request(p wire.Point) {
	k.mu.Lock()
	counts := p.Control
	if !counts {
		k.data++
		counts = k.data%dataStride == 0
	}
	k.mu.Unlock()
	if counts {
		k.point(fmt.Sprint(p.RPC, p.Phase))
	}
}

func (k *stepKiller) file(op atomicfile.Op) error {
	if op.Kind == atomicfile.OpRename && op.Phase == atomicfile.After && strings.HasSuffix(op.Path, ".state.json") {
		k.follow(op.Path)
	}
	switch op.Kind {
	case atomicfile.OpRename, atomicfile.OpAppendSync, atomicfile.OpRemove:
		k.point(fmt.Sprint(op.Kind, op.Phase))
	}
	return nil
}

// follow learns from the state document which step the run is at: the last one that was begun.
func (k *stepKiller) follow(path string) {
	begun := beforeSteps
	for _, s := range readSteps(path) {
		if s.Attempts > 0 && s.Status != state.Pending {
			begun = s.ID
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if begun != k.steps[len(k.steps)-1].Step {
		k.steps, k.alike = append(k.steps, stepPoints{Step: begun}), map[string]int{}
	}
	k.reached = k.reached || begun == k.step
}

// readSteps reads the steps of a state document without the package that writes it; none when there
// is no document.
func readSteps(path string) []state.Step {
	var file struct {
		Document struct {
			Steps []state.Step `json:"steps"`
		} `json:"document"`
	}
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &file) != nil {
		return nil
	}
	return file.Document.Steps
}

// save writes how many points there were.
func (k *stepKiller) save(path string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	data, err := json.Marshal(k.steps)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

// mortalSteps makes the environment that of a process which dies at a point of a step, and returns what
// has to be done at its end. The processes that apply starts inherit it: a canary lives, a watchdog
// dies by envWatchdogAt only.
func mortalSteps(e *cli.Env) (ended func() error) {
	nothing := func() error { return nil }
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "canary":
			return nothing
		case "watchdog":
			at, _ := strconv.Atoi(os.Getenv(envWatchdogAt))
			w := &dyingWatchdog{in: e.Stdin, at: at}
			e.Stdin, e.FS, e.Wire.Observe = w, atomicfile.Observed(e.FS, w.file), w.request
			return nothing
		}
	}
	k := newStepKiller()
	e.FS, e.Wire.Observe = atomicfile.Observed(e.FS, k.file), k.request
	return func() error {
		if path := os.Getenv(envSteps); path != "" {
			return k.save(path)
		}
		return nil
	}
}

// dyingWatchdog kills a watchdog once the apply that it watches has died.
type dyingWatchdog struct {
	in io.Reader
	at int

	mu     sync.Mutex
	orphan bool
	points int
}

// Read implements io.Reader; the end is the death of apply.
func (w *dyingWatchdog) Read(p []byte) (int, error) {
	n, err := w.in.Read(p)
	if err == io.EOF {
		w.mu.Lock()
		w.orphan = true
		w.mu.Unlock()
		w.point()
	}
	return n, err
}

func (w *dyingWatchdog) point() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.orphan {
		return
	}
	if w.points++; w.points == w.at {
		fmt.Fprintln(os.Stderr, "the watchdog is killed")
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func (w *dyingWatchdog) request(wire.Point) { w.point() }

func (w *dyingWatchdog) file(op atomicfile.Op) error {
	if op.Kind == atomicfile.OpRename || op.Kind == atomicfile.OpRemove {
		w.point()
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pegmigrate/pegmigrate/internal/sandboxtest"
)

// envBrowser is the program of a browser, by scripts/browser.sh.
const envBrowser = "PEGMIGRATE_TEST_BROWSER"

// browserLimit bounds what a browser may take to start and to show one page.
const browserLimit = 3 * time.Minute

// TestBrowser runs testdata/browser: scripts whose reports are looked at by a real browser.
//
//	browse FILE [TEXT…]    the page works, asks for nothing and shows each TEXT; with ! it does not
func TestBrowser(t *testing.T) {
	browser := os.Getenv(envBrowser)
	if browser == "" {
		t.Skip("run by `make test-external`: scripts/browser.sh sees to a browser and sets " + envBrowser)
	}
	profile := t.TempDir()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.UserDataDir(profile), chromedp.WSURLReadTimeout(browserLimit),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop) // scripts run in parallel, after this function has returned
	first, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	if err := chromedp.Do(first, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("the browser %s does not start: %v", browser, err)
	}
	commands := sandboxtest.Commands()
	commands["browse"] = func(ts *testscript.TestScript, neg bool, args []string) {
		if len(args) < 1 {
			ts.Fatalf("usage: browse FILE [TEXT…]")
		}
		ctx, cancel := context.WithTimeout(first, browserLimit)
		defer cancel()
		switch err := browse(ctx, ts.MkAbs(args[0]), args[1:]); {
		case neg && err == nil:
			ts.Fatalf("nothing is wrong with %s", args[0])
		case neg:
			ts.Logf("as it should be: %v", err)
		case err != nil:
			ts.Fatalf("%s: %v", args[0], err)
		}
	}
	testscript.Run(t, testscript.Params{Dir: "testdata/browser", Cmds: commands, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "1")
			env.Setenv("HOME", env.WorkDir)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			env.Defer(cancel)
			return sandboxtest.Setup(ctx, env)
		}, Deadline: deadline(t)})
}

// trouble is what a browser complains of while a page is open.
type trouble struct {
	mu   sync.Mutex
	page string
	said []string
}

func (w *trouble) hear(e any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := e.(type) {
	case *runtime.EventExceptionThrown:
		w.said = append(w.said, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		w.said = append(w.said, fmt.Sprintf("console.%s", e.Type))
	case *cdplog.EventEntryAdded:
		w.said = append(w.said, fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text))
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; u != w.page && !strings.HasPrefix(u, "data:") {
			w.said = append(w.said, "request of "+u)
		}
	}
}

func (w *trouble) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.said) == 0 {
		return nil
	}
	return errors.New(strings.Join(w.said, "; "))
}

// browse opens a page in a tab of its own, on a wide and on a narrow screen, with and without scripts.
func browse(ctx context.Context, file string, texts []string) error {
	w := &trouble{page: (&url.URL{Scheme: "file", Path: filepath.ToSlash(file)}).String()}
	tab, end := chromedp.NewContext(ctx, chromedp.WithListener(w.hear))
	defer end()
	var problems []error
	for _, width := range []int64{1280, 400} {
		problems = append(problems, look(tab, w.page, width, texts, true))
	}
	_, err := chromedp.Call(tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	problems = append(problems, err)
	problems = append(problems, look(tab, w.page, 1280, texts, false))
	return errors.Join(append(problems, w.err())...)
}

// seen is what the page says of itself.
type seen struct {
	Width   int    `json:"width"`
	Room    int    `json:"room"`
	Text    string `json:"text"`
	Figures int    `json:"figures"`
	Charts  int    `json:"charts"`
	Empty   int    `json:"empty"`
	Tips    int    `json:"tips"`
	Ground  string `json:"ground"`
	Turned  string `json:"turned"`
}

// inspect asks the page; it moves the pointer over each chart and turns the theme.
const inspect = `(() => {
  const root = document.documentElement, figures = [...document.querySelectorAll('figure[data-chart]')];
  const drawn = f => f.querySelector('polyline, circle, rect.span') && f.querySelector('svg').getBoundingClientRect().height > 10;
  const hovered = f => {
    const svg = f.querySelector('svg'), line = f.querySelector('polyline, circle');
    const box = line.getBoundingClientRect();
    svg.dispatchEvent(new PointerEvent('pointermove', {bubbles: true, clientX: box.left + box.width / 2, clientY: box.top + 3}));
    const tip = f.querySelector('.tip');
    return tip && !tip.hidden && tip.textContent.length > 5;
  };
  const ground = () => getComputedStyle(document.body).backgroundColor;
  const hovers = figures.filter(f => f.dataset.hover), button = document.getElementById('theme');
  const out = {width: root.scrollWidth, room: root.clientWidth, text: document.body.innerText, figures: figures.length,
    charts: hovers.length, empty: figures.filter(f => !drawn(f)).length, tips: hovers.filter(hovered).length, ground: ground(), turned: ''};
  if (button && !button.hidden) { button.click(); out.turned = ground(); button.click(); }
  return out;
})()`

// look opens the page at a width and judges it.
func look(tab context.Context, page string, width int64, texts []string, scripts bool) error {
	if err := chromedp.Do(tab, chromedp.EmulateViewport(width, 900), chromedp.Navigate(page)); err != nil {
		return fmt.Errorf("%d wide: %w", width, err)
	}
	s, err := chromedp.Run(tab, chromedp.Evaluate[seen](inspect))
	if err != nil {
		return fmt.Errorf("%d wide: %w", width, err)
	}
	var problems []error
	fail := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("%d wide, scripts %t: "+format, append([]any{width, scripts}, args...)...))
	}
	if s.Width > s.Room || s.Room != int(width) {
		fail("the page is %d wide and has %d", s.Width, s.Room)
	}
	if s.Figures == 0 || s.Empty > 0 {
		fail("%d of %d drawings are empty", s.Empty, s.Figures)
	}
	for _, text := range texts {
		if !strings.Contains(s.Text, text) {
			fail("%q is not to be seen", text)
		}
	}
	if scripts && (s.Tips != s.Charts || s.Turned == s.Ground || s.Turned == "") {
		fail("%d of %d charts show what is under the pointer; the ground turns from %s to %s", s.Tips, s.Charts, s.Ground, s.Turned)
	}
	return errors.Join(problems...)
}

package sandboxtest

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// metricCommands are the verbs about the metrics of a command in the background.
//
//	await-metric FILE NAME[{LABELS}] MIN    the metrics at the address that FILE names have a sample of at least MIN
func metricCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){"await-metric": awaitMetric}
}

var metricsAddress = regexp.MustCompile(`http://[0-9.:]+/metrics`)

func awaitMetric(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 3, "await-metric FILE NAME[{LABELS}] MIN")
	least, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	await(ts, args[1]+" of at least "+args[2], func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		url := metricsAddress.Find(text)
		if err != nil || url == nil {
			return false
		}
		v, ok := sampleOf(ctx, string(url), args[1])
		return ok && v >= least
	})
}

// sampleOf asks for the metrics and looks for one line of them.
func sampleOf(ctx context.Context, url, name string) (v float64, ok bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, false
	}
	request.Close = true
	answer, err := (&http.Client{}).Do(request)
	if err != nil {
		return 0, false
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), name+" "); found {
			v, err := strconv.ParseFloat(text, 64)
			return v, err == nil
		}
	}
	return 0, false
}

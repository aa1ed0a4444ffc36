package schema

import (
	"math"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// maxInFlight bounds unacknowledged writes: more would only queue in the servers.
const maxInFlight = 1 << 16

func limitsSpec() bodySpec {
	return bodySpec{
		what: "a limits block",
		attrs: []attrSpec{{name: "write_reject"}, {name: "rows_per_second"}, {name: "bytes_per_second"},
			{name: "in_flight"}, {name: "window"}},
		blocks: []blockSpec{{name: "send_rate"}, {name: "stop_if"}},
	}
}

func sendRateSpec() bodySpec {
	return bodySpec{
		what: "a send_rate block",
		attrs: []attrSpec{{name: "start", required: true}, {name: "step", required: true},
			{name: "max", required: true}, {name: "every", required: true}},
	}
}

func stopIfSpec() bodySpec {
	return bodySpec{what: "a stop_if block", attrs: []attrSpec{{name: "source_p99"}, {name: "target_p99"}, {name: "disk_free"},
		{name: "pending_compaction"}, {name: "failures_per_second"}}}
}

func (l *loader) decodeLimits(b *hclsyntax.Block) Limits {
	c := l.check(limitsSpec(), b.Body, b.DefRange())
	out := Limits{Range: b.DefRange()}
	out.WriteReject, _ = l.duration(c, "write_reject", false)
	none := leaveOut(false)
	out.RowsPerSecond, _ = l.integer(c, "rows_per_second", 1, math.MaxInt64, CodeLimit, none)
	out.BytesPerSecond, _ = l.size(c, "bytes_per_second", false)
	inFlight, _ := l.integer(c, "in_flight", 1, maxInFlight, CodeLimit, none)
	out.InFlight = int(inFlight)
	windows, at, ok := l.textList(c, "window", false)
	if ok && len(windows) == 0 {
		l.errorf(CodeValue, at, "leave it out to have no window", "\"window\" lists no window, so that nothing would ever move")
	}
	for _, item := range windows {
		if w, ok := l.window(item); ok {
			out.Window = append(out.Window, w)
		}
	}
	if sb := c.block("send_rate"); sb != nil {
		out.SendRate = l.decodeSendRate(sb)
	}
	if sb := c.block("stop_if"); sb != nil {
		out.StopIf = l.decodeStopIf(sb)
	}
	return out
}

func (l *loader) decodeStopIf(b *hclsyntax.Block) *StopIf {
	c := l.check(stopIfSpec(), b.Body, b.DefRange())
	var out StopIf
	out.SourceP99, _ = l.duration(c, "source_p99", false)
	out.TargetP99, _ = l.duration(c, "target_p99", false)
	out.DiskFree = l.percent(c, "disk_free")
	out.PendingCompaction, _ = l.size(c, "pending_compaction", false)
	out.FailuresPerSecond = l.rate(c, "failures_per_second")
	if len(b.Body.Attributes) == 0 && len(b.Body.Blocks) == 0 {
		l.warnf(CodeNoEffect, b.DefRange(), `name a threshold, like source_p99 = "50ms"`, "stop_if has no threshold, so it stops nothing")
	}
	return &out
}

// rateWraps is the rate in bytes per second that servers take for 0: they turn their flags, MB in a uint32, into
// bytes in 32 bits, and wait for ever for a bucket that never fills (hdfs_service.cpp, write_data_in_batches;
// nfs_server_impl.cpp, on_copy).
const rateWraps = 4 << 30

func (l *loader) decodeSendRate(b *hclsyntax.Block) *SendRate {
	c := l.check(sendRateSpec(), b.Body, b.DefRange())
	var out SendRate
	var okStart, okMax bool
	out.Start, okStart = l.size(c, "start", true)
	out.Step, _ = l.size(c, "step", true)
	out.Max, okMax = l.size(c, "max", true)
	out.Every, _ = l.duration(c, "every", true)
	switch {
	case okStart && okMax && out.Max < out.Start:
		l.errorf(CodeLimit, c.attrs["max"].Expr.Range(), "", `"max" is below "start"`)
	case okMax && out.Max >= rateWraps:
		l.errorf(CodeLimit, c.attrs["max"].Expr.Range(), `like "200MiB"`, `"max" must be below 4GiB: servers count the rate in 32 bits, and at 4 GiB nothing moves any more`)
	}
	return &out
}

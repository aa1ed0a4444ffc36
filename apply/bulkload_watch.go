package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
)

const (
	// loadStall is how long a load may show no progress. Downloads that wait for their turn, 5 per server,
	// and rollbacks to downloading are within it.
	loadStall = 15 * time.Minute
	// loadCleanup is how long servers may take to remove what they downloaded.
	loadCleanup = 10 * time.Minute
	// percentPace is the slowest download that does not count as stuck, in bytes per second: a percent of a
	// large partition takes its time.
	percentPace = 1 << 20
	// doubt is how long nothing has to move until causes are looked for.
	doubt = 30 * time.Second
)

// follow watches the load until the servers have it and have cleaned up. It looks less often than at others: the
// meta server itself looks at primaries every 10 s, and its answer tells of every replica.
func (l *loadRunner) follow(ctx context.Context) error {
	ramp := l.newRamp(l.a.Rate)
	return l.awaitProgress(ctx, max(l.r.Waits.Files, l.r.Waits.Poll), CodeLoad, func(ctx context.Context) (sight, error) {
		s, err := l.loadStatusOnce(ctx, l.a.Target)
		switch {
		case errors.Is(err, ErrNoTable):
			return sight{}, err
		case err != nil:
			reason, err := tolerate(ctx, err)
			return sight{mark: l.mark, limit: loadStall, reason: reason, causes: "look at the meta servers of " + l.a.Target.Cluster}, err
		}
		if err := l.note(s); err != nil {
			return sight{}, err
		}
		if !s.Loading {
			return sight{over: true}, l.outcome(s)
		}
		if s.Status == blsDownloading {
			if err := ramp.look(ctx, downloading(s)); err != nil {
				return sight{}, err
			}
		}
		mark := loadMark(s)
		if now := l.r.Now(); mark != l.mark {
			l.mark, l.unmoved, l.causes = mark, now, ""
		} else if now.Sub(l.unmoved) >= doubt && now.Sub(l.asked) >= doubt {
			l.causes, l.asked = l.hindrances(ctx, s), now
		}
		return sight{mark: mark, limit: l.limit(s), reason: l.reason(s, ramp), causes: l.knownCauses(s)}, nil
	})
}

// outcome is what came of a load that is over; nil for success.
func (l *loadRunner) outcome(s LoadStatus) error {
	if s.Status == blsSucceed {
		return nil
	}
	if err := l.remember(s); err != nil {
		return err
	}
	switch s.Status {
	case blsCanceled:
		return l.cannot("somebody cancelled the load", "`"+l.r.Resume+"` loads again from the start, `"+l.r.rollbackCommand()+"` takes everything back")
	case blsInvalid:
		return l.cannot("the servers know nothing of the load any more: somebody cleared its result, or its state in ZooKeeper is lost",
			"`"+l.r.Resume+"` loads again from the start")
	}
	return l.failure(s)
}

// note takes down when partitions ingest, because that is when they reject writes, and what replicas
// complain about.
func (l *loadRunner) note(s LoadStatus) error {
	for _, p := range s.Partitions {
		for _, r := range p.Replicas {
			what := r.Error
			if r.Ingest == isFailed {
				what = strings.TrimSpace("ingestion failed " + r.Error)
			}
			if what == "" || what == "ERR_OK" || what == "ERR_BUSY" {
				continue
			}
			text := fmt.Sprintf("partition %d on %s: %s", p.Partition, r.Addr, what)
			if !slices.Contains(l.seen, text) && len(l.seen) < 8 {
				l.seen = append(l.seen, text)
			}
		}
	}
	now := l.r.Now()
	return l.rememberLoad(func(m *loadMemory) {
		for _, p := range s.Partitions {
			_, began := m.From[p.Partition]
			_, ended := m.Until[p.Partition]
			switch {
			case p.Status == blsIngesting && !began:
				if m.From == nil {
					m.From = map[int32]time.Time{}
				}
				m.From[p.Partition] = now
			case p.Status != blsIngesting && began && !ended:
				if m.Until == nil {
					m.Until = map[int32]time.Time{}
				}
				m.Until[p.Partition] = now
			case p.Status == blsIngesting && ended: // it was rolled back to downloading and ingests again
				delete(m.Until, p.Partition)
			}
		}
	})
}

// rejectWindow says how long writes were rejected, as far as it was seen: "" when nothing was.
func rejectWindow(m loadMemory) string {
	var first, last time.Time
	var longest time.Duration
	at := int32(-1)
	for _, p := range sortedKeys(m.Until) {
		from, until := m.From[p], m.Until[p]
		if d := until.Sub(from); d > longest || at < 0 {
			longest, at = d, p
		}
		if first.IsZero() || from.Before(first) {
			first = from
		}
		if until.After(last) {
			last = until
		}
	}
	if at < 0 {
		return ""
	}
	return fmt.Sprintf("partitions rejected writes while they ingested, the longest (%d) for about %s, all of them within %s", at, plan.Duration(longest), plan.Duration(last.Sub(first)))
}

// loadMark is what progress is known by.
func loadMark(s LoadStatus) string {
	download, ingested, clean := 0, 0, 0
	for _, p := range s.Partitions {
		for _, r := range p.Replicas {
			download += int(r.Download)
			if r.Ingest == isSucceed {
				ingested++
			}
			if r.CleanedUp {
				clean++
			}
		}
	}
	counts := map[string]int{}
	for _, p := range s.Partitions {
		counts[p.Status]++
	}
	return fmt.Sprint(s.Status, download, ingested, clean, counts)
}

func (l *loadRunner) limit(s LoadStatus) time.Duration {
	switch s.Status {
	case blsDownloading:
		percent := l.r.Plan.Source.Bytes / uint64(max(l.a.Partitions, 1)) / 100
		return loadStall + time.Duration(percent/percentPace)*time.Second
	case blsSucceed, blsFailed, blsCanceled:
		return loadCleanup
	}
	return loadStall
}

// reason is what is waited for, per replica where that says something.
func (l *loadRunner) reason(s LoadStatus, ramp *ramp) string {
	switch s.Status {
	case blsDownloading, blsDownloaded:
		return downloads(s) + ramp.text()
	case blsIngesting:
		return ingests(s)
	case blsPausing, blsPaused:
		return "somebody paused the load"
	case blsSucceed, blsFailed, blsCanceled:
		return fmt.Sprintf("the load is over (%s), servers clean up: %s", s.Status, cleaned(s))
	}
	return "the servers tell " + s.Status
}

// downloading says whether any replica has got anything.
func downloading(s LoadStatus) bool {
	for _, p := range s.Partitions {
		for _, r := range p.Replicas {
			if r.Download > 0 {
				return true
			}
		}
	}
	return false
}

// downloads tells how many replicas have their files, and which one is the slowest.
func downloads(s LoadStatus) string {
	replicas, whole, total := 0, 0, 0
	slowest, at := int32(101), ""
	for _, p := range s.Partitions {
		for _, r := range p.Replicas {
			replicas++
			total += int(r.Download)
			if r.Download >= 100 {
				whole++
			}
			if r.Download < slowest {
				slowest, at = r.Download, fmt.Sprintf("partition %d on %s", p.Partition, r.Addr)
			}
		}
	}
	if replicas == 0 {
		return "downloading; no replica has told how far it is"
	}
	text := fmt.Sprintf("downloading: %d %%, %d of %d replicas have their files", total/replicas, whole, replicas)
	if slowest < 100 {
		text += fmt.Sprintf(", the slowest is %s with %d %%", at, slowest)
	}
	return text
}

// ingests tells how many replicas have taken the files in, and which partitions still do.
func ingests(s LoadStatus) string {
	replicas, in := 0, 0
	var open []int32
	for _, p := range s.Partitions {
		done := len(p.Replicas) > 0
		for _, r := range p.Replicas {
			replicas++
			if r.Ingest == isSucceed {
				in++
			} else {
				done = false
			}
		}
		if !done && !p.Ingested && p.Status != blsSucceed {
			open = append(open, p.Partition)
		}
	}
	return fmt.Sprintf("ingesting: %d of %d replicas have taken the files in, %s left (%v); they reject writes meanwhile",
		in, replicas, plan.Counted(uint64(len(open)), "partition"), firstN(open, 8))
}

func cleaned(s LoadStatus) string {
	replicas, clean := 0, 0
	first := ""
	for _, p := range s.Partitions {
		for _, r := range p.Replicas {
			replicas++
			if r.CleanedUp {
				clean++
			} else if first == "" {
				first = fmt.Sprintf(", partition %d on %s is not", p.Partition, r.Addr)
			}
		}
	}
	return fmt.Sprintf("%d of %d replicas are done%s", clean, replicas, first)
}

// knownCauses names what is seen to hinder the load, and what else may.
func (l *loadRunner) knownCauses(s LoadStatus) string {
	var list []string
	if l.causes != "" {
		list = append(list, l.causes)
	}
	switch s.Status {
	case blsDownloading:
		list = append(list, "known causes: the block service cannot be reached from a replica server; its read limit; downloads that wait for their turn on a server (max_concurrent_bulk_load_downloading_count)")
	case blsDownloaded, blsIngesting:
		list = append(list, "known causes: a partition without all its replicas; a target that denies or throttles writes")
	case blsPausing, blsPaused:
		list = append(list, "in the shell of cluster "+l.a.Target.Cluster+": restart_bulk_load -a "+l.a.Target.Table)
	default:
		list = append(list, "known causes: a replica server that is down, or whose disk fails")
	}
	return strings.Join(append(list, l.seen...), "; ")
}

// hindrances looks for what is known to keep a load where it is.
func (l *loadRunner) hindrances(ctx context.Context, s LoadStatus) string {
	var list []string
	if h, err := l.healthOnce(ctx, l.a.Target); err == nil && h.Full < h.Partitions {
		list = append(list, fmt.Sprintf("%d of %d partitions do not have all their replicas: the servers wait for them without a word", h.Partitions-h.Full, h.Partitions))
	}
	t, err := l.tableOnce(ctx, l.a.Target)
	if err != nil {
		return strings.Join(list, "; ")
	}
	if deniesWrites(marker.PriorOf(t.Envs, plan.EnvDeny)) {
		list = append(list, fmt.Sprintf("the target denies writes (%s = %s): take that off", plan.EnvDeny, t.Envs[plan.EnvDeny]))
	}
	for _, key := range []string{envWriteThrottling, envWriteThrottlingSize} {
		if v := t.Envs[key]; v != "" && s.Status != blsDownloading {
			list = append(list, fmt.Sprintf("the target throttles writes (%s = %s)", key, v))
		}
	}
	if len(list) > 0 && !l.warned {
		l.warned = true
		l.warn(CodeLoad, "the load does not move: "+strings.Join(list, "; "), "")
	}
	return strings.Join(list, "; ")
}

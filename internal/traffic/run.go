package traffic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Config says what runs. The zero value of a field means its default, if it has one.
type Config struct {
	// Proxies are what the clients take for their metas. Required without Sides.
	Proxies []string
	// Sides, when there are any, make every client a dual writer: it asks the metas of these clusters.
	Sides []Side
	// Found are rows of the table that writers overwrite and delete, too. Keys and values that are no
	// text are left alone.
	Found []Row
	// Table must have a route record, without Sides. Required.
	Table string
	// Clients lists them, see the package's kinds: "writer,reader/java,incr". Required.
	Clients string
	// Rate is how many operations per second all clients do together: an incr client 5 % of them, the
	// others the rest in equal parts. Required. While operations fail or wait there are fewer.
	Rate float64
	// For is how long; 0 until the context ends.
	For time.Duration
	// Timeout is that of an operation. Default 1 s, as the Java client's; at most 4.2 s.
	Timeout time.Duration
	// Workers is how many operations a client has under way at most. Default 16.
	Workers int
	// ValueSize is in bytes. Default 100.
	ValueSize int
	// Journal is the file for what was acknowledged; it must not exist. "" for none.
	Journal string
	// Clusters are the replica servers of each cluster by its name, to tell who served.
	Clusters map[string][]string
	// Serving is told when another cluster serves a client than before, the first one included. It must
	// not block. Default: nobody is told.
	Serving func(client, cluster string)
	// Progress gets a line per second and client. Default: nothing.
	Progress io.Writer
}

const (
	defaultTimeout = time.Second
	defaultWorkers = 16
	defaultValue   = 100
	// openTimeout bounds the opening of a client.
	openTimeout = 30 * time.Second
)

// Summary is what a run came to.
type Summary struct {
	Table   string          `json:"table"`
	Began   time.Time       `json:"began"`
	Ended   time.Time       `json:"ended"`
	Journal string          `json:"journal"`
	Clients []ClientSummary `json:"clients"`
	// RejectWindow is the longest span without an acknowledged write of any writer, the window as the
	// applications saw it; nil without a writer.
	RejectWindow *Span `json:"reject_window"`
}

// Run drives the clients until the time is over or ctx ends, which is not an error. Operations under
// way are finished, so that it returns up to one operation timeout later.
func Run(ctx context.Context, cfg Config) (s Summary, err error) {
	specs, err := cfg.complete()
	if err != nil {
		return s, err
	}
	if cfg.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cfg.For)
		defer cancel()
	}
	var loads []*load
	defer func() {
		for _, l := range loads {
			err = errors.Join(err, l.client.Close())
		}
	}()
	for _, spec := range specs {
		l, err := cfg.open(ctx, spec)
		if err != nil {
			return s, err
		}
		loads = append(loads, l)
	}
	journal, err := CreateJournal(cfg.Journal)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	r := &running{loads: loads, out: cfg.Progress}
	s = Summary{Table: cfg.Table, Began: time.Now().UTC(), Journal: cfg.Journal}
	err = r.run(ctx, cfg, journal)
	s.Ended = time.Now().UTC()
	for _, l := range loads {
		s.Clients = append(s.Clients, l.meter.summary(s.Ended, l.client.Stats()))
	}
	if r.writes != nil {
		all := r.writes.summary(s.Ended, ClientStats{})
		s.RejectWindow = &all.Gap
	}
	return s, err
}

// complete fills what was left out and refuses what makes no sense.
func (cfg *Config) complete() ([]clientSpec, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Workers == 0 {
		cfg.Workers = defaultWorkers
	}
	if cfg.ValueSize == 0 {
		cfg.ValueSize = defaultValue
	}
	if cfg.Progress == nil {
		cfg.Progress = io.Discard
	}
	switch {
	case len(cfg.Proxies) == 0 && len(cfg.Sides) == 0:
		return nil, errors.New("there are no proxies")
	case cfg.Table == "":
		return nil, errors.New("no table is given")
	case cfg.Rate <= 0:
		return nil, fmt.Errorf("a rate of %v operations per second", cfg.Rate)
	case cfg.Timeout < 3*time.Millisecond || cfg.Timeout > maxGoTimeout:
		return nil, fmt.Errorf("an operation timeout of %v, must be 3ms to %v", cfg.Timeout, maxGoTimeout)
	case cfg.Workers < 1, cfg.ValueSize < 1, cfg.For < 0:
		return nil, errors.New("workers, value size and time must be above 0")
	}
	specs, err := parseClients(cfg.Clients, cfg.Rate)
	if slices.ContainsFunc(specs, func(c clientSpec) bool { return c.kind == kindIncr }) && len(cfg.Sides) > 0 {
		return nil, errors.New("a dual writer does not increment: the tables do not hold the same numbers")
	}
	return specs, err
}

// open opens one client.
func (cfg *Config) open(ctx context.Context, spec clientSpec) (*load, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	one := func(metas []string) (Client, error) {
		if spec.driver == driverJava {
			return asClient(OpenJava(ctx, metas, cfg.Table, cfg.Timeout))
		}
		return asClient(OpenGo(ctx, metas, cfg.Table, cfg.Timeout))
	}
	var c Client
	var err error
	if len(cfg.Sides) > 0 {
		c, err = openDual(cfg.Sides, func(s Side) (Client, error) { return one(s.Metas) })
	} else {
		c, err = one(cfg.Proxies)
	}
	if err != nil {
		return nil, fmt.Errorf("client %s: %w", spec.name, err)
	}
	servers := map[string]string{}
	for cluster, addrs := range cfg.Clusters {
		for _, addr := range addrs {
			servers[addr] = cluster
		}
	}
	m := newMeter(spec, servers, time.Now())
	if cfg.Serving != nil {
		m.serving = cfg.Serving
	}
	return &load{spec: spec, client: c, meter: m, workers: cfg.Workers, size: cfg.ValueSize,
		limit: rate.NewLimiter(rate.Limit(spec.rate), max(1, int(spec.rate/100)))}, nil
}

// asClient keeps a failed opening from becoming a client that is not nil.
func asClient[T Client](c T, err error) (Client, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

// running is a run under way.
type running struct {
	loads  []*load
	writes *meter // of all writers together, nil without one
	mu     sync.Mutex
	out    io.Writer
}

func (r *running) printf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.out, format, args...)
}

func (r *running) run(ctx context.Context, cfg Config, journal *Journal) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	began := time.Now()
	keys := &ledger{run: strconv.FormatInt(began.UnixMilli(), 36)}
	errs := make(chan error, len(r.loads))
	for _, l := range r.loads {
		if l.spec.kind == kindWriter && r.writes == nil {
			r.writes = newMeter(clientSpec{name: kindWriter}, nil, began)
		}
	}
	if err := r.adopt(cfg, journal, keys); err != nil {
		return err
	}
	for _, l := range r.loads {
		l.ledger, l.journal, l.writes = keys, journal, r.writes
		l.meter.begin(began)
		l.refused = func(name string, f Failure) { r.printf("%s was refused: %s\n", name, f.Text) }
		go func() {
			err := l.run(ctx)
			if err != nil {
				cancel() // a journal that cannot be written makes all the rest worthless
			}
			errs <- err
		}()
	}
	done := make(chan struct{})
	var progress sync.WaitGroup
	progress.Go(func() { r.report(began, done) })
	var err error
	for range r.loads {
		err = errors.Join(err, <-errs)
	}
	close(done)
	progress.Wait()
	return err
}

// adopt shares the rows that were there before among the workers of all writers.
func (r *running) adopt(cfg Config, journal *Journal, keys *ledger) error {
	var writers []*load
	for _, l := range r.loads {
		if l.spec.kind == kindWriter {
			writers = append(writers, l)
		}
	}
	if len(writers) == 0 || len(cfg.Found) == 0 {
		return nil
	}
	found, err := adopt(journal, keys, cfg.Found, cfg.Workers*len(writers))
	for i, l := range writers {
		if err == nil {
			l.found = found[i*cfg.Workers : (i+1)*cfg.Workers]
		}
	}
	return err
}

// report prints a line per second.
func (r *running) report(began time.Time, done <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			var parts []string
			for _, l := range r.loads {
				ok, failed, gap, serving := l.meter.tick(now)
				if serving == "" {
					serving = "nobody"
				}
				parts = append(parts, fmt.Sprintf("%s %d ok %d failed, gap %dms, %s", l.spec.name, ok, failed, gap.Milliseconds(), serving))
			}
			r.printf("%4.0fs  %s\n", now.Sub(began).Seconds(), strings.Join(parts, " | "))
		case <-done:
			return
		}
	}
}

package sandbox

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// maxControlLine bounds a control request in bytes.
const maxControlLine = 1 << 20

// loadTimeout bounds creating the table of a load.
const loadTimeout = time.Minute

// controlSocket takes requests of other processes.
type controlSocket struct {
	ln   net.Listener
	path string
	wg   sync.WaitGroup
}

// listenControl makes the socket. A sandbox that runs in the folder already is an
// error, the socket of one that died is replaced.
func listenControl(dir string) (*controlSocket, error) {
	path := filepath.Join(dir, SocketFile)
	name, release, err := socketName(path)
	if err != nil {
		return nil, err
	}
	defer release()
	if conn, err := net.Dial("unix", name); err == nil {
		return nil, errors.Join(fmt.Errorf("sandbox: another sandbox runs in %s", dir), conn.Close())
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("sandbox: control socket: %w", err)
	}
	ln, err := net.Listen("unix", name)
	if err != nil {
		return nil, fmt.Errorf("sandbox: control socket: %w", err)
	}
	if unix, ok := ln.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false) // the name may not be valid any more then
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: control socket: %w", err), ln.Close(), os.Remove(path))
	}
	return &controlSocket{ln: ln, path: path}, nil
}

// close removes the socket.
func (s *controlSocket) close() error {
	err := s.ln.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	if rm := os.Remove(s.path); rm != nil && !errors.Is(rm, os.ErrNotExist) {
		err = errors.Join(err, rm)
	}
	return err
}

// serve answers requests until ctx is done.
func (s *controlSocket) serve(ctx context.Context, world controlled) error {
	stop := context.AfterFunc(ctx, func() {
		_ = s.ln.Close() // reported by close, if at all
	})
	defer stop()
	defer s.wg.Wait()
	for {
		conn, err := s.ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				return conn.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("sandbox: control socket: %w", err)
		}
		s.wg.Go(func() { controlOne(ctx, conn, world) })
	}
}

// controlOne answers one request.
func controlOne(ctx context.Context, conn net.Conn, world controlled) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	line, err := bufio.NewReader(io.LimitReader(conn, maxControlLine)).ReadBytes('\n')
	if err != nil {
		return
	}
	out := bufio.NewWriterSize(conn, 256<<10)
	end := controlEnd{End: true}
	if err := world.execute(ctx, line, out); err != nil {
		end.Error = err.Error()
		errors.As(err, &end.Code)
	}
	// An error here means that the other side has gone, which ends the request too.
	_ = json.NewEncoder(out).Encode(end)
	_ = out.Flush()
}

// execute runs one request and writes its output.
func (w controlled) execute(ctx context.Context, line []byte, out io.Writer) error {
	var req controlRequest
	if err := json.Unmarshal(line, &req); err != nil {
		return fmt.Errorf("sandbox: control request: %w", err)
	}
	switch req.Op {
	case opShow, opShake, opRoute:
		return w.executeRoute(req, out)
	}
	c, err := w.cluster(req.Cluster)
	if err != nil {
		return err
	}
	return c.execute(ctx, req, out)
}

func (w controlled) cluster(name string) (*Cluster, error) {
	for _, c := range w.clusters {
		if c.Name() == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("sandbox: no cluster %q, there are a to %c", name, 'a'+len(w.clusters)-1)
}

// executeRoute is execute for ZooKeeper and the proxies.
func (w controlled) executeRoute(req controlRequest, out io.Writer) error {
	if w.routing == nil {
		return errors.New("sandbox: there is no MetaProxy; start with -metaproxies 2")
	}
	switch {
	case req.Op == opShow:
		return w.routing.Show(req.Table, out)
	case req.Op == opShake:
		return w.routing.Inject(req.RouteFault)
	case req.Record != "":
		return w.routing.SetRecord(req.Table, req.Record)
	}
	c, err := w.cluster(req.Cluster)
	if err != nil {
		return err
	}
	return w.routing.Lead(req.Table, c)
}

func (c *Cluster) execute(ctx context.Context, req controlRequest, out io.Writer) error {
	switch req.Op {
	case opLoad:
		return c.loadCommand(ctx, req)
	case opPattern:
		if err := c.tableFor(ctx, req); err != nil {
			return err
		}
		return c.FillPattern(req.Table, req.Pattern)
	case opDump:
		return c.DumpJSON(req.Table, out)
	case opFault:
		id, err := c.Inject(req.Fault)
		if err == nil && id > 0 {
			_, err = fmt.Fprintf(out, "fault %d: %s\n", id, req.Fault.Kind)
		}
		return err
	case opClear:
		return c.Clear(req.ID)
	case opFaults:
		return json.NewEncoder(out).Encode(c.Faults())
	default:
		return fmt.Errorf("sandbox: unknown control request %q", req.Op)
	}
}

// loadCommand creates the table when it is absent and fills it.
func (c *Cluster) loadCommand(ctx context.Context, req controlRequest) error {
	if _, err := req.Load.withDefaults(); err != nil {
		return err
	}
	if err := c.tableFor(ctx, req); err != nil {
		return err
	}
	return c.Fill(req.Table, req.Load)
}

// tableFor creates the table of a request when it is absent and waits until it serves.
func (c *Cluster) tableFor(ctx context.Context, req controlRequest) error {
	if !c.HasTable(req.Table) {
		spec := TableSpec{Name: req.Table, Partitions: req.Partitions, Replicas: req.Replicas}
		if _, err := c.CreateTable(spec); err != nil && !errors.Is(err, idl.ErrAppExist) {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	return c.WaitHealthy(ctx, req.Table)
}

// DumpJSON writes every live row of a table as a line of JSON, in the order of raw
// keys: partition, key and value in hex, expiry in seconds since 2016.
func (c *Cluster) DumpJSON(table string, out io.Writer) error {
	enc := json.NewEncoder(out)
	return c.Dump(table, func(r Row) error {
		return enc.Encode(dumpedRow{P: r.Partition, K: hex.EncodeToString(r.Key), V: hex.EncodeToString(r.Value), E: r.Expire})
	})
}

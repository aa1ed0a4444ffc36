package sandbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// Remote is a sandbox that another process runs with Up in the folder Dir.
type Remote struct{ Dir string }

// LoadRequest is what Remote.Load does.
type LoadRequest struct {
	Cluster, Table string
	// Partitions and Replicas are for a table that is absent; 0 means the defaults of
	// TableSpec.
	Partitions, Replicas int32
	LoadSpec
}

// Load creates a table when it is absent, waits until it serves, and fills it.
func (r Remote) Load(ctx context.Context, req LoadRequest) error {
	return r.ask(ctx, io.Discard, controlRequest{
		Op: opLoad, Cluster: req.Cluster, Table: req.Table, Partitions: req.Partitions, Replicas: req.Replicas, Load: req.LoadSpec,
	})
}

// Pattern creates a table when it is absent, waits until it serves, and gives it the rows of a pattern.
func (r Remote) Pattern(ctx context.Context, req LoadRequest, spec PatternSpec) error {
	return r.ask(ctx, io.Discard, controlRequest{
		Op: opPattern, Cluster: req.Cluster, Table: req.Table, Partitions: req.Partitions, Replicas: req.Replicas, Pattern: spec,
	})
}

// Dump writes every live row of a table as a line of JSON, see Cluster.DumpJSON.
func (r Remote) Dump(ctx context.Context, cluster, table string, out io.Writer) error {
	return r.ask(ctx, out, controlRequest{Op: opDump, Cluster: cluster, Table: table})
}

// Inject starts a fault; a lasting one is written to out with its number.
func (r Remote) Inject(ctx context.Context, cluster string, f Fault, out io.Writer) error {
	return r.ask(ctx, out, controlRequest{Op: opFault, Cluster: cluster, Fault: f})
}

// Clear ends a fault of a cluster; 0 ends all and starts every dead server again.
func (r Remote) Clear(ctx context.Context, cluster string, id int) error {
	return r.ask(ctx, io.Discard, controlRequest{Op: opClear, Cluster: cluster, ID: id})
}

// Faults writes the lasting faults of a cluster as one line of JSON, by number.
func (r Remote) Faults(ctx context.Context, cluster string, out io.Writer) error {
	return r.ask(ctx, out, controlRequest{Op: opFaults, Cluster: cluster})
}

// Lead writes the route record of a table, which leads to a cluster, or any text as that record.
func (r Remote) Lead(ctx context.Context, table, cluster, record string) error {
	return r.ask(ctx, io.Discard, controlRequest{Op: opRoute, Table: table, Cluster: cluster, Record: record})
}

// Routes writes what there is of ZooKeeper and proxies, and the record of one table or of all for "",
// as lines of JSON.
func (r Remote) Routes(ctx context.Context, table string, out io.Writer) error {
	return r.ask(ctx, out, controlRequest{Op: opShow, Table: table})
}

// DisturbRoute lets a fault of ZooKeeper or proxies happen.
func (r Remote) DisturbRoute(ctx context.Context, f RouteFault) error {
	return r.ask(ctx, io.Discard, controlRequest{Op: opShake, RouteFault: f})
}

// RemoteError is a failure that the other process reports.
type RemoteError struct {
	Message string
	// Code is the Pegasus code behind it, "" for none.
	Code idl.ErrorCode
}

// Error is the other process's message.
func (e *RemoteError) Error() string { return e.Message }

// Unwrap makes errors.Is(err, idl.ErrAppNotExist) and the like work.
func (e *RemoteError) Unwrap() error {
	if e.Code == "" {
		return nil
	}
	return e.Code
}

// ask sends one request and copies its output. ctx ends it at any time.
func (r Remote) ask(ctx context.Context, out io.Writer, req controlRequest) error {
	name, release, err := socketName(filepath.Join(r.Dir, SocketFile))
	if err != nil {
		return err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", name)
	release()
	if err != nil {
		return fmt.Errorf("sandbox: no sandbox runs in %s: %w", r.Dir, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	line, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("sandbox: control request: %w", err)
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("sandbox: control request: %w", err)
	}
	err = copyAnswer(out, bufio.NewReaderSize(conn, 256<<10))
	if ctx.Err() != nil {
		return fmt.Errorf("sandbox: %s: %w", req.Op, ctx.Err())
	}
	return err
}

// copyAnswer copies lines until the last one, which says how it ended.
func copyAnswer(out io.Writer, in *bufio.Reader) error {
	buffered := bufio.NewWriterSize(out, 64<<10)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return errors.Join(fmt.Errorf("sandbox: the answer ends early: %w", err), buffered.Flush())
		}
		if !strings.HasPrefix(line, endMark) {
			if _, err := buffered.WriteString(line); err != nil {
				return fmt.Errorf("sandbox: write output: %w", err)
			}
			continue
		}
		if err := buffered.Flush(); err != nil {
			return fmt.Errorf("sandbox: write output: %w", err)
		}
		var end controlEnd
		if err := json.Unmarshal([]byte(line), &end); err != nil {
			return fmt.Errorf("sandbox: last line of the answer: %w", err)
		}
		if end.Error != "" {
			return &RemoteError{Message: end.Error, Code: end.Code}
		}
		return nil
	}
}

// maxSocketName is what fits into sockaddr_un on every system, in bytes.
const maxSocketName = 100

// socketName is a name for the socket at path that fits into a socket address: a
// path that is too long is reached through an open folder. release ends the use.
func socketName(path string) (name string, release func(), err error) {
	if len(path) <= maxSocketName {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, fmt.Errorf("sandbox: control socket: %w", err)
	}
	name = filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), filepath.Base(path))
	return name, func() { _ = dir.Close() }, nil
}

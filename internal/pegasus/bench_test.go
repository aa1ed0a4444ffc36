package pegasus

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// serverEnv makes the test binary a server, so that benchmarks can count the CPU time
// of the client alone.
const serverEnv = "PEGASUS_TEST_SERVER"

// benchPartitions is the partition count of the benchmark's table.
const benchPartitions = 8

// serveBench plays a meta and a replica server that store nothing: every put succeeds,
// every scan goes on for ever.
func serveBench() error {
	meta, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	node, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(meta.Addr())
	pages := benchPages()
	for _, ln := range []net.Listener{meta, node} {
		go func() {
			for {
				nc, err := ln.Accept()
				if err != nil {
					return
				}
				go serveBenchConn(nc, node.Addr().String(), pages)
			}
		}()
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// benchPages are scan results of 1000 rows with 100-byte values, to be sent again and
// again; keys of a page are above those of the one before.
func benchPages() [][]idl.KeyValue {
	pages := make([][]idl.KeyValue, 200)
	for p := range pages {
		for i := range 1000 {
			key := pegkey.Encode(nil, fmt.Appendf(nil, "user%08d", p*1000+i), []byte("s"))
			pages[p] = append(pages[p], idl.KeyValue{Key: key, Value: make([]byte, 100), HasExpireTs: true})
		}
	}
	return pages
}

func serveBenchConn(nc net.Conn, node string, pages [][]idl.KeyValue) {
	in, out := bufio.NewReaderSize(nc, 256<<10), bufio.NewWriterSize(nc, 256<<10)
	defer func() { _ = nc.Close() }()
	var frame, reply []byte
	for {
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
		prefix, err := in.Peek(idl.RequestPrefix)
		if err != nil {
			return
		}
		n, err := idl.RequestLength(prefix)
		if err != nil {
			return
		}
		if cap(frame) < n {
			frame = make([]byte, n)
		}
		if _, err := io.ReadFull(in, frame[:n]); err != nil {
			return
		}
		req, err := idl.DecodeRequest(frame[:n])
		if err != nil {
			return
		}
		reply = idl.AppendResponse(reply[:0], req.Seq, req.Name, idl.ErrOK, benchAnswer(&req, node, pages))
		if _, err := out.Write(reply); err != nil {
			return
		}
	}
}

func benchAnswer(req *idl.Request, node string, pages [][]idl.KeyValue) idl.Message {
	switch req.Name {
	case idl.NameQueryConfig:
		resp := &idl.QueryConfigResponse{Err: idl.ErrOK, AppID: 1, PartitionCount: benchPartitions}
		primary, _ := idl.ParseAddr(node)
		for p := range int32(benchPartitions) {
			resp.Partitions = append(resp.Partitions, idl.PartitionConfig{Pid: idl.Gpid{AppID: 1, Partition: p}, Primary: primary})
		}
		return resp
	case idl.NameGetScanner, idl.NameScan:
		var arg idl.ScanRequest
		var d idl.Decoder
		if req.Name == idl.NameScan && req.DecodeArgs(&d, &arg) != nil {
			return &idl.ScanResponse{Error: idl.StatusNotFound}
		}
		next := arg.ContextID + 1
		if next == int64(len(pages)) {
			next = idl.ScanDone
		}
		return &idl.ScanResponse{Kvs: pages[arg.ContextID], ContextID: next, Server: node}
	default:
		return &idl.UpdateResponse{AppID: 1, Server: node}
	}
}

// benchTable is a table on a server in another process.
func benchTable(b *testing.B) *Table {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	c, err := Open(b.Context(), Config{Name: "bench", MetaServers: []string{strings.TrimSpace(line)}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	t, err := c.OpenTable(b.Context(), "bench")
	if err != nil {
		b.Fatal(err)
	}
	return t
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure reports rows per second and per second of CPU time of this process.
func measure(b *testing.B, work func()) {
	b.ReportAllocs()
	b.ResetTimer()
	before, began := cpuTime(b), time.Now()
	work()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "rows/s")
	b.ReportMetric(float64(b.N)/(cpuTime(b)-before).Seconds(), "rows/cpu-s")
}

// slots is an Acker that bounds what is in flight.
type slots struct {
	b    *testing.B
	free chan struct{}
}

func (s *slots) Acked(_ uint64, err error) {
	if err != nil {
		s.b.Error(err)
	}
	<-s.free
}

func (s *slots) wait() {
	for range cap(s.free) {
		s.free <- struct{}{}
	}
}

func BenchmarkSend(b *testing.B) {
	t := benchTable(b)
	s := &slots{b: b, free: make(chan struct{}, 2048)}
	r := row("user00000001", strings.Repeat("v", 100))
	opts := PutOptions{Deadline: time.Now().Add(time.Hour)}
	measure(b, func() {
		for i := range b.N {
			s.free <- struct{}{}
			t.Send(b.Context(), r, &opts, s, uint64(i))
		}
		s.wait()
	})
}

func BenchmarkScan(b *testing.B) {
	t := benchTable(b)
	measure(b, func() {
		for rows := 0; rows < b.N; {
			s := t.NewScan(ScanSpec{Batch: 1000})
			for rows < b.N {
				p, err := s.Next(b.Context())
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				rows += len(p.Rows)
				p.Release()
			}
			s.Close()
		}
	})
}

// BenchmarkCopy scans and writes every row, which is what a copy costs at least.
func BenchmarkCopy(b *testing.B) {
	t := benchTable(b)
	s := &slots{b: b, free: make(chan struct{}, 2048)}
	opts := PutOptions{Deadline: time.Now().Add(time.Hour)}
	var copied atomic.Int64
	measure(b, func() {
		for copied.Load() < int64(b.N) {
			scan := t.NewScan(ScanSpec{Batch: 1000})
			for copied.Load() < int64(b.N) {
				p, err := scan.Next(b.Context())
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				for i := range p.Rows {
					s.free <- struct{}{}
					t.Send(b.Context(), p.Rows[i], &opts, s, 0)
				}
				copied.Add(int64(len(p.Rows)))
				// Acknowledged rows are not tracked here, so the page is left to the
				// garbage collector.
			}
			scan.Close()
		}
		s.wait()
	})
}

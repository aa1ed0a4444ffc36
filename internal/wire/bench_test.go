package wire

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// serveBench answers puts with success until standard input ends. It prints its
// address first.
func serveBench() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go serveBenchConn(nc)
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
	return ln.Close()
}

func serveBenchConn(nc net.Conn) {
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
		reply = idl.AppendResponse(reply[:0], req.Seq, req.Name, idl.ErrOK, &idl.UpdateResponse{Server: "127.0.0.1:34801"})
		if _, err := out.Write(reply); err != nil {
			return
		}
	}
}

// startBenchServer runs serveBench in a process of its own.
func startBenchServer(b *testing.B) (addr string) {
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
	return strings.TrimSpace(line)
}

// cpuTime is the CPU time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchPuts pipelines b.N puts of 100 bytes with so many in flight.
func benchPuts(b *testing.B, inFlight int) {
	c := replica(b, startBenchServer(b), Options{})
	rpc := mustLookup(b, idl.NamePut)
	free := make(chan *Call, inFlight)
	done := func(c *Call) {
		if c.Err != nil {
			b.Error(c.Err)
		}
		free <- c
	}
	req := &idl.UpdateRequest{Key: make([]byte, 22), Value: make([]byte, 100)}
	for range inFlight {
		free <- &Call{RPC: rpc, Header: header(5 * time.Second), Req: req, Resp: &idl.UpdateResponse{}, Done: done}
	}
	before, began := cpuTime(b), time.Now()
	deadline := began.Add(time.Hour)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		call := <-free
		call.Deadline = deadline
		c.Start(call)
	}
	for range inFlight {
		<-free
	}
	b.StopTimer()
	n := float64(b.N)
	b.ReportMetric(n/time.Since(began).Seconds(), "calls/s")
	b.ReportMetric(n/(cpuTime(b)-before).Seconds(), "calls/cpu-s")
}

func BenchmarkPut(b *testing.B) {
	for _, n := range []int{1, 64, 512, 4096} {
		b.Run(fmt.Sprintf("inflight=%d", n), func(b *testing.B) { benchPuts(b, n) })
	}
}

package blobstore

import (
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/blobstore/hdfstest"
)

// lossyProxy leads to a name node and now and then cuts a connection in place of an answer: the request was carried out,
// and whoever sent it does not know.
type lossyProxy struct {
	listener net.Listener
	target   string
	lost     atomic.Int64
	one      int64        // of so many answers is lost, 0 for none
	next     atomic.Int64 // the one after so many is lost as well, none when negative
	running  sync.WaitGroup
}

func newLossyProxy(t *testing.T, target string, one int64) *lossyProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &lossyProxy{listener: l, target: target, one: one}
	p.next.Store(-1)
	p.running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.running.Wait()
	})
	return p
}

func (p *lossyProxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	p.running.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	})
	for {
		var size [4]byte
		if _, err := io.ReadFull(server, size[:]); err != nil {
			return
		}
		answer := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(server, answer); err != nil {
			return
		}
		if p.one > 0 && rand.Int64N(p.one) == 0 || p.next.Add(-1) == -1 {
			p.lost.Add(1)
			return
		}
		if _, err := client.Write(append(size[:], answer...)); err != nil {
			return
		}
	}
}

// testHDFSLostAnswers does everything that changes something while one answer in ten is lost: nothing fails, and nothing
// is done by halves.
func testHDFSLostAnswers(t *testing.T, c *hdfstest.Cluster) {
	proxy := newLossyProxy(t, c.NameNodes()[0], 10)
	h := openTest(t, c, func(o *HDFSOptions) { o.NameNodes = []string{proxy.listener.Addr().String()} })
	sure := openTest(t, c, nil)
	for i := range 6 {
		dir := fmt.Sprintf("lossy/%d", i)
		mustMkdir(t, h, dir)
		data := noise(uint64(i), 1<<20+i)
		mustPut(t, h, dir+"/f", noise(99, 10))
		mustPut(t, h, dir+"/f", data)
		wantContent(t, h, dir+"/f", data)
		wantContent(t, sure, dir+"/f", data)
		mustPut(t, h, dir+"/g", data)
		if err := h.Remove(t.Context(), dir+"/g"); err != nil {
			t.Fatal(err)
		}
		wantNames(t, h, dir, "f")
		if i%2 == 0 {
			if err := h.RemoveAll(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
			_, err := sure.Stat(t.Context(), dir)
			wantCode(t, err, CodeNotFound)
		}
	}
	wantNames(t, sure, "lossy", "1/", "3/", "5/")
	if proxy.lost.Load() < 10 {
		t.Fatalf("only %d answers were lost", proxy.lost.Load())
	}
	t.Logf("%d answers were lost", proxy.lost.Load())
}

// filled is a writer that was given three bytes and has sent nothing yet.
func filled(t *testing.T, h *HDFS, name string) *hdfsWriter {
	t.Helper()
	created, err := h.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = created.Abort() })
	w := created.(*hdfsWriter)
	if _, err := w.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	return w
}

// testHDFSRenamedTwice: a rename whose answer was lost is found done, and one that somebody else's file stands in for is not.
func testHDFSRenamedTwice(t *testing.T, c *hdfstest.Cluster) {
	h := openTest(t, c, nil)
	mustMkdir(t, h, "twice")
	w := filled(t, h, "twice/f")
	info, err := use(t.Context(), h.sessions, func(s *session) (e Entry, err error) {
		i, err := w.fill(s, "/twice/.f1")
		if err == nil {
			err = w.rename(t.Context(), "/twice/.f1", i)
		}
		if err == nil {
			err = w.rename(t.Context(), "/twice/.f1", i)
		}
		if err != nil {
			return e, err
		}
		if err = h.Remove(t.Context(), "twice/f"); err == nil {
			_, err = WriteFile(t.Context(), h, "twice/f", []byte("xyz"))
		}
		if err == nil && w.rename(t.Context(), "/twice/.f1", i) == nil {
			err = fmt.Errorf("another file of the same size was taken for ours")
		}
		return entryOf(i), err
	})
	if err != nil || info.Size != 3 {
		t.Fatalf("%+v, %v", info, err)
	}
}

// testHDFSRenamedUnseen: the answer of a rename is lost, and then that of the look at what it did.
func testHDFSRenamedUnseen(t *testing.T, c *hdfstest.Cluster) {
	proxy := newLossyProxy(t, c.NameNodes()[0], 0)
	h := openTest(t, c, func(o *HDFSOptions) { o.NameNodes = []string{proxy.listener.Addr().String()} })
	mustMkdir(t, h, "unseen")
	w := filled(t, h, "unseen/f")
	info, err := use(t.Context(), h.sessions, func(s *session) (fs.FileInfo, error) { return w.fill(s, "/unseen/.f1") })
	if err != nil {
		t.Fatal(err)
	}
	if err := w.rename(t.Context(), "/unseen/.f1", info); err != nil {
		t.Fatal(err)
	}
	// As after a rename whose answer was lost: the next one finds nothing to rename, and which of its answers is lost
	// must not matter.
	for n := range int64(6) {
		proxy.next.Store(n)
		if err := w.rename(t.Context(), "/unseen/.f1", info); err != nil {
			t.Errorf("answer %d is lost: %v", n, err)
		}
	}
	if proxy.lost.Load() == 0 {
		t.Error("no answer was lost")
	}
}

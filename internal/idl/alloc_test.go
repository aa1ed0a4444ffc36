package idl

import (
	"bytes"
	"fmt"
	"testing"
)

// benchPut is a put of a typical row.
func benchPut() *UpdateRequest {
	return &UpdateRequest{Key: []byte("\x00\x10user000000000042sort-key"), Value: bytes.Repeat([]byte("v"), 100)}
}

// benchMultiPut is a multi_put of rows.
func benchMultiPut(rows int) *MultiPutRequest {
	m := &MultiPutRequest{HashKey: []byte("user000000000042")}
	for i := range rows {
		m.Kvs = append(m.Kvs, KeyValue{Key: fmt.Appendf(nil, "sort-%06d", i), Value: bytes.Repeat([]byte("v"), 100)})
	}
	return m
}

// scanFrame is a reply with rows.
func scanFrame(rows int) []byte {
	m := &ScanResponse{ContextID: -7920125641800810496, AppID: 13, Server: "127.0.0.1:34803", KvCount: new(int32(1))}
	for i := range rows {
		m.Kvs = append(m.Kvs, KeyValue{
			Key:   fmt.Appendf(nil, "\x00\x10user%012dsort", i),
			Value: bytes.Repeat([]byte("v"), 100), ExpireTs: 1, HasExpireTs: true,
		})
	}
	return AppendResponse(nil, 1, NameScan, ErrOK, m)
}

// decodeFrame decodes a response into m with working space d.
func decodeFrame(frame []byte, d *Decoder, m Message) error {
	head, err := DecodeResponseHead(frame)
	if err != nil {
		return err
	}
	return head.DecodeResult(d, m)
}

// requireNoAllocs fails when f allocates once it has been warmed up.
func requireNoAllocs(t *testing.T, name string, f func()) {
	t.Helper()
	f()
	if n := testing.AllocsPerRun(50, f); n != 0 {
		t.Errorf("%s: %v allocations", name, n)
	}
}

func TestTheHotPathDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 1<<20)
	put, multi := benchPut(), benchMultiPut(100)
	h := RequestHeader{Gpid: Gpid{13, 3}}
	requireNoAllocs(t, "append put", func() { AppendRequest(buf, h, NamePut, 1, put) })
	requireNoAllocs(t, "append multi_put", func() { AppendRequest(buf, h, NameMultiPut, 1, multi) })

	var d Decoder
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	ack := AppendResponse(nil, 1, NamePut, ErrOK, &UpdateResponse{Decree: 5, Server: "127.0.0.1:34803"})
	var update UpdateResponse
	requireNoAllocs(t, "decode put ack", func() { check(decodeFrame(ack, &d, &update)) })
	page := scanFrame(1000)
	var scan ScanResponse
	requireNoAllocs(t, "decode scan page", func() { check(decodeFrame(page, &d, &scan)) })
	if len(scan.Kvs) != 1000 || update.Server != "127.0.0.1:34803" {
		t.Errorf("%d rows, server %q", len(scan.Kvs), update.Server)
	}
	refused := AppendResponse(nil, 1, NamePut, ErrInvalidState, nil)
	requireNoAllocs(t, "decode refusal", func() {
		if head, err := DecodeResponseHead(refused); err != nil || head.Code != ErrInvalidState {
			t.Fatal(head, err)
		}
	})

	frame := AppendRequest(nil, h, NamePut, 1, put)
	var got UpdateRequest
	requireNoAllocs(t, "decode put", func() {
		req, err := DecodeRequest(frame)
		check(err)
		check(req.DecodeArgs(&d, &got))
	})
}

func BenchmarkAppendPut(b *testing.B) {
	put, buf := benchPut(), make([]byte, 0, 4096)
	b.SetBytes(int64(len(AppendRequest(buf, RequestHeader{}, NamePut, 1, put))))
	b.ReportAllocs()
	for b.Loop() {
		AppendRequest(buf, RequestHeader{}, NamePut, 1, put)
	}
}

func BenchmarkAppendMultiPut100(b *testing.B) {
	multi, buf := benchMultiPut(100), make([]byte, 0, 1<<16)
	b.SetBytes(int64(len(AppendRequest(buf, RequestHeader{}, NameMultiPut, 1, multi))))
	b.ReportAllocs()
	for b.Loop() {
		AppendRequest(buf, RequestHeader{}, NameMultiPut, 1, multi)
	}
}

func BenchmarkDecodePutAck(b *testing.B) {
	ack := AppendResponse(nil, 1, NamePut, ErrOK, &UpdateResponse{Decree: 5, Server: "127.0.0.1:34803"})
	benchmarkDecode(b, ack, &UpdateResponse{})
}

func BenchmarkDecodeScan1000(b *testing.B) {
	benchmarkDecode(b, scanFrame(1000), &ScanResponse{})
}

// benchmarkDecode decodes the same frame again and again.
func benchmarkDecode(b *testing.B, frame []byte, m Message) {
	b.Helper()
	var d Decoder
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		if err := decodeFrame(frame, &d, m); err != nil {
			b.Fatal(err)
		}
	}
}

package idl

import (
	"bytes"
	"errors"
	"testing"
)

func FuzzDecodeRequest(f *testing.F) {
	for _, r := range readRecorded(f) {
		if r.Dir == "request" && len(r.bytes) < 4096 {
			f.Add(r.bytes)
		}
	}
	for _, rpc := range All() {
		f.Add(AppendRequest(nil, RequestHeader{}, rpc.Name, 1, rpc.NewRequest()))
	}
	f.Add(v1Frame([]byte{tStop}, nil))
	f.Fuzz(func(t *testing.T, frame []byte) {
		req, err := DecodeRequest(frame)
		if err != nil {
			requireMalformed(t, err)
			return
		}
		if req.RPC == nil {
			return
		}
		msg := req.RPC.NewRequest()
		if err := req.DecodeArgs(new(Decoder), msg); err != nil {
			requireMalformed(t, err)
			return
		}
		again := AppendRequest(nil, req.RequestHeader, req.Name, req.Seq, msg)
		req2, err := DecodeRequest(again)
		if err != nil {
			t.Fatalf("own frame: %v", err)
		}
		msg2 := req.RPC.NewRequest()
		if err := req2.DecodeArgs(new(Decoder), msg2); err != nil {
			t.Fatalf("own argument: %v", err)
		}
		if a, b := msg.AppendTo(nil), msg2.AppendTo(nil); !bytes.Equal(a, b) {
			t.Fatalf("%T is %x, after a round trip %x", msg, a, b)
		}
	})
}

func FuzzDecodeResponse(f *testing.F) {
	for _, r := range readRecorded(f) {
		if r.Dir == "response" && len(r.bytes) < 4096 {
			f.Add(r.bytes)
		}
	}
	for _, rpc := range All() {
		if !rpc.OneWay {
			f.Add(AppendResponse(nil, 1, rpc.Name, ErrOK, rpc.NewResponse()))
		}
		f.Add(AppendResponse(nil, 1, rpc.Name, ErrBusy, nil))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		head, err := DecodeResponseHead(frame)
		if err != nil {
			requireMalformed(t, err)
			return
		}
		if head.RPC == nil || head.RPC.OneWay || head.Code != ErrOK {
			return
		}
		msg := head.RPC.NewResponse()
		if err := head.DecodeResult(new(Decoder), msg); err != nil {
			requireMalformed(t, err)
			return
		}
		again, err := DecodeResponseHead(AppendResponse(nil, head.Seq, head.Name, head.Code, msg))
		if err != nil {
			t.Fatalf("own frame: %v", err)
		}
		msg2 := head.RPC.NewResponse()
		if err := again.DecodeResult(new(Decoder), msg2); err != nil {
			t.Fatalf("own result: %v", err)
		}
		if a, b := msg.AppendTo(nil), msg2.AppendTo(nil); !bytes.Equal(a, b) {
			t.Fatalf("%T is %x, after a round trip %x", msg, a, b)
		}
	})
}

// FuzzDecodeMessage gives the same bytes to every decoder. Short inputs reach the
// bodies without a frame around them.
func FuzzDecodeMessage(f *testing.F) {
	messages := everyMessage()
	for i, m := range messages {
		f.Add(uint8(i), m.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, which uint8, wire []byte) {
		m := another(messages[int(which)%len(messages)])
		d := NewDecoder(wire)
		m.Decode(d)
		if d.Err() != nil {
			requireMalformed(t, d.Err())
			return
		}
		m2 := another(m)
		d.Reset(m.AppendTo(nil))
		m2.Decode(d)
		if a, b := m.AppendTo(nil), m2.AppendTo(nil); d.Err() != nil || !bytes.Equal(a, b) {
			t.Fatalf("%T is %x, after a round trip %x, error %v", m, a, b, d.Err())
		}
	})
}

// requireMalformed requires that an error says what kind it is.
func requireMalformed(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrMalformed) {
		t.Fatalf("error without ErrMalformed: %v", err)
	}
}

package idl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRequestFrameRoundTrip(t *testing.T) {
	names := All()
	rapid.Check(t, func(t *rapid.T) {
		rpc := rapid.SampledFrom(names).Draw(t, "rpc")
		h := RequestHeader{
			Gpid:          Gpid{AppID: rapid.Int32().Draw(t, "app"), Partition: rapid.Int32().Draw(t, "partition")},
			TimeoutMs:     rapid.Uint32().Draw(t, "timeout"),
			ThreadHash:    rapid.Int32().Draw(t, "thread hash"),
			PartitionHash: rapid.Uint64().Draw(t, "partition hash"),
		}
		seq := rapid.Int32().Draw(t, "seq")
		frame := AppendRequest(nil, h, rpc.Name, seq, rpc.NewRequest())
		got, err := DecodeRequest(frame)
		h.BodyLength = uint32(len(frame) - 48)
		if err != nil || got.RequestHeader != h || got.Seq != seq || got.RPC != rpc || got.Name != rpc.Name {
			t.Fatalf("%+v #%d %s gives %+v, %v", h, seq, rpc.Name, got, err)
		}
		if err := got.DecodeArgs(new(Decoder), rpc.NewRequest()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestEveryCutFrameIsAnError(t *testing.T) {
	put := &UpdateRequest{Key: []byte("\x00\x01ab"), Value: []byte("value"), ExpireTsSeconds: 3}
	frame := AppendRequest(nil, RequestHeader{}, NamePut, 1, put)
	for n := range frame {
		if _, err := DecodeRequest(frame[:n]); !errors.Is(err, ErrMalformed) {
			t.Errorf("request of %d bytes: %v", n, err)
		}
		if cut := withRequestLength(frame[:n]); cut != nil {
			checkCut(t, cut, &UpdateRequest{})
		}
	}
	answer := AppendResponse(nil, 1, NamePut, ErrOK, &UpdateResponse{Server: "s"})
	for n := range answer {
		if _, err := DecodeResponseHead(answer[:n]); !errors.Is(err, ErrMalformed) {
			t.Errorf("response of %d bytes: %v", n, err)
		}
		if n < 4 {
			continue
		}
		cut := bytes.Clone(answer[:n])
		binary.BigEndian.PutUint32(cut, uint32(n))
		head, err := DecodeResponseHead(cut)
		if err == nil {
			err = head.DecodeResult(new(Decoder), &UpdateResponse{})
		}
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("response cut to %d bytes: %v", n, err)
		}
	}
}

// withRequestLength makes the header of a cut frame say the length that it has.
func withRequestLength(cut []byte) []byte {
	if len(cut) < 48 {
		return nil
	}
	cut = bytes.Clone(cut)
	binary.BigEndian.PutUint32(cut[16:], uint32(len(cut)-48))
	return cut
}

// checkCut requires that a request is refused, at the latest with its argument.
func checkCut(t *testing.T, frame []byte, m Message) {
	t.Helper()
	req, err := DecodeRequest(frame)
	if err == nil {
		err = req.DecodeArgs(new(Decoder), m)
	}
	if !errors.Is(err, ErrMalformed) {
		t.Errorf("request cut to %d bytes: %v", len(frame), err)
	}
}

func TestLengths(t *testing.T) {
	head := func(version, a, b, c uint32) []byte {
		p := []byte("THFT")
		for _, v := range []uint32{version, a, b, c} {
			p = binary.BigEndian.AppendUint32(p, v)
		}
		return p
	}
	for _, c := range []struct {
		prefix []byte
		want   int
	}{
		{head(0, 48, 0, 0), 48},
		{head(0, 48, 0, 1000), 1048},
		{head(0, 48, 0, MaxFrame-48), MaxFrame},
		{head(0, 48, 0, MaxFrame-47), -1},
		{head(0, 48, 0, 0xffffffff), -1},
		{head(0, 47, 0, 0), -1},
		{head(1, 10, 20, 0), 46},
		{head(1, 0, 0, 0), -1},
		{head(1, 0xffffffff, 0xffffffff, 0), -1},
		{head(2, 48, 0, 0), -1},
		{append([]byte("HTTP"), make([]byte, 16)...), -1},
		{[]byte("THFT"), -1},
		{nil, -1},
	} {
		got, err := RequestLength(c.prefix)
		if c.want >= 0 && (err != nil || got != c.want) || c.want < 0 && !errors.Is(err, ErrMalformed) {
			t.Errorf("RequestLength(%x) = %d, %v, want %d", c.prefix, got, err, c.want)
		}
	}
	for n, ok := range map[uint32]bool{0: false, 3: false, 4: true, MaxFrame: true, MaxFrame + 1: false, 0xffffffff: false} {
		got, err := ResponseLength(binary.BigEndian.AppendUint32(nil, n))
		if ok != (err == nil) || ok && got != int(n) {
			t.Errorf("ResponseLength of %d = %d, %v", n, got, err)
		}
	}
}

func TestRequestHeaderV1(t *testing.T) {
	body := AppendRequest(nil, RequestHeader{}, NameGet, 9, &BlobRequest{Key: []byte("\x00\x01a")})[48:]
	meta := putI32(nil, 1, int32(13))
	meta = putI32(meta, 2, int32(3))
	meta = putI32(meta, 3, int32(5000))
	meta = putI64(meta, 4, -2)
	meta = append(putBool(meta, 5, true), tStop)
	frame := v1Frame(meta, body)
	req, err := DecodeRequest(frame)
	want := RequestHeader{Gpid: Gpid{13, 3}, TimeoutMs: 5000, ThreadHash: 13*7919 + 3, PartitionHash: 1<<64 - 2, BodyLength: uint32(len(body))}
	if err != nil || req.RequestHeader != want || req.Name != NameGet || req.Seq != 9 || req.Version != 1 {
		t.Errorf("got %+v, %v", req, err)
	}
	var get BlobRequest
	if err := req.DecodeArgs(new(Decoder), &get); err != nil || string(get.Key) != "\x00\x01a" {
		t.Errorf("argument %q, %v", get.Key, err)
	}
	// All fields are optional; a meta request sends none of them.
	if req, err := DecodeRequest(v1Frame([]byte{tStop}, body)); err != nil || req.Gpid != (Gpid{}) {
		t.Errorf("empty meta: %+v, %v", req, err)
	}
	for name, bad := range map[string][]byte{
		"meta without stop":    v1Frame(meta[:len(meta)-1], body),
		"bytes behind meta":    v1Frame(append(bytes.Clone(meta), 0), body),
		"meta longer than all": append([]byte("THFT\x00\x00\x00\x01\x00\x00\x00\x09\x00\x00\x00\x00"), make([]byte, 8)...),
		"no body":              v1Frame(meta, nil),
	} {
		if _, err := DecodeRequest(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// v1Frame puts a header of version 1 in front of meta and body.
func v1Frame(meta, body []byte) []byte {
	f := []byte("THFT\x00\x00\x00\x01")
	f = binary.BigEndian.AppendUint32(f, uint32(len(meta)))
	f = binary.BigEndian.AppendUint32(f, uint32(len(body)))
	return append(append(f, meta...), body...)
}

func TestResponseErrors(t *testing.T) {
	frame := AppendResponse(nil, 7, NamePut, ErrInvalidState, nil)
	head, err := DecodeResponseHead(frame)
	if err != nil || head.Code != ErrInvalidState || head.Seq != 7 || head.Name != NamePut || len(head.Result) != 0 {
		t.Fatalf("%+v, %v", head, err)
	}
	err = head.DecodeResult(new(Decoder), &UpdateResponse{})
	if !errors.Is(err, ErrInvalidState) || !strings.Contains(err.Error(), NamePut) {
		t.Errorf("DecodeResult: %v", err)
	}
	// A code that this package has no name for is carried as it is.
	head, err = DecodeResponseHead(AppendResponse(nil, 7, "RPC_X", "ERR_BRAND_NEW", nil))
	if err != nil || head.Code != "ERR_BRAND_NEW" || head.Name != "RPC_X" || head.RPC != nil {
		t.Errorf("%+v, %v", head, err)
	}
	// ERR_OK without a result is no success.
	head, err = DecodeResponseHead(AppendResponse(nil, 7, NamePut, ErrOK, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := head.DecodeResult(new(Decoder), &UpdateResponse{}); !errors.Is(err, ErrMalformed) {
		t.Errorf("no result: %v", err)
	}
}

func TestBytesLeftOverAreAnError(t *testing.T) {
	frame := append(AppendRequest(nil, RequestHeader{}, NameClusterInfo, 1, &ClusterInfoRequest{}), 0)
	req, err := DecodeRequest(withRequestLength(frame))
	if err != nil {
		t.Fatal(err)
	}
	if err := req.DecodeArgs(new(Decoder), &ClusterInfoRequest{}); !errors.Is(err, ErrMalformed) {
		t.Errorf("one byte too many: %v", err)
	}
}

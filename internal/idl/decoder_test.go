package idl

import (
	"errors"
	"strings"
	"testing"
)

// decodeInto decodes wire into m and returns the error.
func decodeInto(m Message, wire []byte) error {
	d := NewDecoder(wire)
	m.Decode(d)
	return d.Err()
}

func TestUnknownFieldsAreSkipped(t *testing.T) {
	var wire []byte
	wire = putBool(wire, 100, true)
	wire = putI8(wire, 101, 1)
	wire = append(putHead(wire, tI16, 102), 0, 1)
	wire = putI32(wire, 103, int32(1))
	wire = putI64(wire, 104, 1)
	wire = append(putHead(wire, tDouble, 105), make([]byte, 8)...)
	wire = putString(wire, 106, "text")
	wire = putStrings(wire, 107, []string{"a", ""})
	wire = putStringMap(wire, 108, map[string]string{"k": "v"})
	wire = putList(wire, 109, tSet, tList, [][]int32{{1}, {2, 3}}, func(b []byte, v []int32) []byte { return rawList(b, tI32, v, rawI32[int32]) })
	wire = putList(wire, 110, tList, tStruct, []Addr(nil), rawAddr)
	wire = putI32(wire, 2, int32(7))
	wire = append(wire, tStop)
	var m CreateAppResponse
	if err := decodeInto(&m, wire); err != nil || m.AppID != 7 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestUnknownStructsAreRefused(t *testing.T) {
	for name, field := range map[string][]byte{
		"struct":         putAddr(nil, 42, 1),
		"list of struct": putAddrs(nil, 42, []Addr{1}),
		"map to struct": putMap(nil, 42, tI32, tStruct, map[int32]Addr{1: 1},
			rawI32[int32], rawAddr),
	} {
		err := decodeInto(&PartitionConfig{}, append(field, tStop))
		var de *DecodeError
		if !errors.As(err, &de) || de.Message != "PartitionConfig" || de.Field != 42 || !strings.Contains(de.Reason, "struct") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHostileInput(t *testing.T) {
	huge := []byte{0x7f, 0xff, 0xff, 0xff}
	negative := []byte{0xff, 0xff, 0xff, 0xff}
	count := func(head []byte, n []byte) []byte { return append(append(head, n...), 0, 0, 0, 0, 0, 0) }
	nested := putHead(nil, tList, 42)
	for range 100 {
		nested = append(nested, tList, 0, 0, 0, 1)
	}
	for name, wire := range map[string][]byte{
		"empty":                    nil,
		"half a field header":      {tI32, 0},
		"huge list":                count(append(putHead(nil, tList, 2), tI32), huge),
		"negative list":            count(append(putHead(nil, tList, 2), tI32), negative),
		"list of something else":   count(append(putHead(nil, tList, 2), tI64), []byte{0, 0, 0, 1}),
		"huge string":              count(putHead(nil, tString, 1), huge),
		"negative string":          count(putHead(nil, tString, 1), negative),
		"wrong type of a field":    append(putI64(nil, 1, 1), tStop),
		"invalid type":             append(putHead(nil, 99, 42), 0, 0, 0),
		"huge unknown list":        count(append(putHead(nil, tList, 42), tBool), huge),
		"negative unknown list":    count(append(putHead(nil, tList, 42), tBool), negative),
		"huge unknown map":         count(append(putHead(nil, tMap, 42), tBool, tBool), huge),
		"unknown list of stops":    count(append(putHead(nil, tList, 42), tStop), []byte{0, 0, 0, 1}),
		"unknown, nested too deep": nested,
		"no stop":                  putString(nil, 1, "t"),
	} {
		if err := decodeInto(&QueryConfigRequest{}, wire); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := decodeInto(&QuerySplitResponse{}, count(append(putHead(nil, tMap, 3), tI32, tI32), huge)); !errors.Is(err, ErrMalformed) {
		t.Errorf("huge map: %v", err)
	}
	if err := decodeInto(&QuerySplitResponse{}, count(append(putHead(nil, tMap, 3), tI64, tI32), []byte{0, 0, 0, 1})); !errors.Is(err, ErrMalformed) {
		t.Errorf("map of something else: %v", err)
	}
}

func TestTheFirstErrorSticks(t *testing.T) {
	d := NewDecoder([]byte{tI32, 0})
	(&UpdateRequest{}).Decode(d)
	first := d.Err()
	(&QueryConfigRequest{}).Decode(d)
	if first == nil || d.Err() != first || d.Remaining() != 0 {
		t.Errorf("first %v, then %v, %d bytes left", first, d.Err(), d.Remaining())
	}
	d.Reset([]byte{tStop})
	(&QueryConfigRequest{}).Decode(d)
	if d.Err() != nil {
		t.Errorf("after Reset: %v", d.Err())
	}
}

func TestDecodedBlobsDoNotGrowIntoTheFrame(t *testing.T) {
	wire := (&UpdateRequest{Key: []byte("key"), Value: []byte("value")}).AppendTo(nil)
	var m UpdateRequest
	if err := decodeInto(&m, wire); err != nil {
		t.Fatal(err)
	}
	_ = append(m.Key, "XXXXXXXXXXXX"...)
	if string(m.Value) != "value" {
		t.Errorf("append to the key changed the value to %q", m.Value)
	}
}

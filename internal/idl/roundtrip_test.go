package idl

import (
	"bytes"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// everyMessage is one empty value of every argument and result in the table.
func everyMessage() []Message {
	var all []Message
	seen := map[reflect.Type]bool{}
	for _, rpc := range All() {
		for _, make := range []func() Message{rpc.NewRequest, rpc.NewResponse} {
			if make == nil {
				continue
			}
			if m := make(); !seen[reflect.TypeOf(m)] {
				seen[reflect.TypeOf(m)] = true
				all = append(all, m)
			}
		}
	}
	return all
}

// another is a new empty message of the type of m.
func another(m Message) Message {
	return reflect.New(reflect.TypeOf(m).Elem()).Interface().(Message)
}

// fill draws every exported field. Optional ones are sometimes left unset.
func fill(t *rapid.T, v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, name))
	case reflect.Int8, reflect.Int32, reflect.Int64:
		n := rapid.Int64().Draw(t, name)
		v.SetInt(n << (64 - v.Type().Bits()) >> (64 - v.Type().Bits()))
	case reflect.Uint8, reflect.Uint16, reflect.Uint64:
		n := rapid.Uint64().Draw(t, name)
		v.SetUint(n << (64 - v.Type().Bits()) >> (64 - v.Type().Bits()))
	case reflect.String:
		v.SetString(string(rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, name)))
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), v.Type().Field(i).Name)
		}
		if kv, ok := v.Addr().Interface().(*KeyValue); ok && !kv.HasExpireTs {
			kv.ExpireTs = 0
		}
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if rapid.IntRange(0, 3).Draw(t, name+" unset") != 0 {
			fillReference(t, v, name)
		}
	default:
		t.Fatalf("%s has a kind that no message uses: %v", name, v.Kind())
	}
}

// fillReference sets a pointer, slice or map to something that is not nil.
func fillReference(t *rapid.T, v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), name)
	case reflect.Slice:
		n := rapid.IntRange(0, 3).Draw(t, name+" length")
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(t, v.Index(i), name)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range rapid.IntRange(0, 3).Draw(t, name+" size") {
			key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(t, key, name)
			fill(t, elem, name)
			v.SetMapIndex(key, elem)
		}
	}
}

// normal replaces nil slices and maps that are not optional, which decode as empty
// ones, in a copy made by one trip over the wire.
func normal(t *rapid.T, m Message) Message {
	out := another(m)
	var d Decoder
	d.Reset(m.AppendTo(nil))
	out.Decode(&d)
	if d.Err() != nil || d.Remaining() != 0 {
		t.Fatalf("%T: %v, %d bytes left", m, d.Err(), d.Remaining())
	}
	return out
}

func TestEveryMessageRoundTrips(t *testing.T) {
	for _, m := range everyMessage() {
		t.Run(reflect.TypeOf(m).Elem().Name(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				in := another(m)
				fill(t, reflect.ValueOf(in).Elem(), "")
				wire := in.AppendTo([]byte("kept"))
				if !bytes.HasPrefix(wire, []byte("kept")) {
					t.Fatalf("%T overwrites what it appends to", in)
				}
				out := normal(t, in)
				if again := out.AppendTo(nil); !bytes.Equal(again, wire[4:]) {
					t.Fatalf("%+v encodes to %x, after decoding to %x", in, wire[4:], again)
				}
				equalUpToNil(t, reflect.ValueOf(in).Elem(), reflect.ValueOf(out).Elem(), "")
			})
		})
	}
}

// equalUpToNil compares field by field; nil and empty slices and maps are the same,
// because the comparison of bytes has told optional ones apart already.
func equalUpToNil(t *rapid.T, a, b reflect.Value, path string) {
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			equalUpToNil(t, a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name)
		}
	case reflect.Slice:
		if a.Len() != b.Len() {
			t.Fatalf("%s: %d elements, then %d", path, a.Len(), b.Len())
		}
		for i := range a.Len() {
			equalUpToNil(t, a.Index(i), b.Index(i), path+"[]")
		}
	case reflect.Map:
		if a.Len() != b.Len() {
			t.Fatalf("%s: %d entries, then %d", path, a.Len(), b.Len())
		}
		for _, k := range a.MapKeys() {
			if !b.MapIndex(k).IsValid() {
				t.Fatalf("%s: key %v is lost", path, k)
			}
			equalUpToNil(t, a.MapIndex(k), b.MapIndex(k), path+"{}")
		}
	case reflect.Pointer:
		if a.IsNil() != b.IsNil() {
			t.Fatalf("%s: nil %v, then %v", path, a.IsNil(), b.IsNil())
		}
		if !a.IsNil() {
			equalUpToNil(t, a.Elem(), b.Elem(), path)
		}
	default:
		if !a.Equal(b) {
			t.Fatalf("%s: %v, then %v", path, a, b)
		}
	}
}

func TestDecodingTwiceLeavesNothingOfTheFirst(t *testing.T) {
	for _, m := range everyMessage() {
		t.Run(reflect.TypeOf(m).Elem().Name(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				first, second := another(m), another(m)
				fill(t, reflect.ValueOf(first).Elem(), "first")
				fill(t, reflect.ValueOf(second).Elem(), "second")
				want := second.AppendTo(nil)
				var d Decoder
				for _, wire := range [][]byte{first.AppendTo(nil), want} {
					d.Reset(wire)
					first.Decode(&d)
				}
				if got := first.AppendTo(nil); d.Err() != nil || !bytes.Equal(got, want) {
					t.Fatalf("got %x, want %x, error %v", got, want, d.Err())
				}
			})
		})
	}
}

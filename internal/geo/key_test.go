package geo

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/golang/geo/s2"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// lbs is the layout of the geo client's defaults.
func lbs() Spec {
	return Spec{LatitudeIndex: DefaultLatitudeIndex, LongitudeIndex: DefaultLongitudeIndex, MinLevel: DefaultMinLevel}
}

// TestPositionsOfTheGeoClient: the values of the geo client's own tests (src/geo/test/latlng_codec_test.cpp), and
// what follows from its loop over pieces.
func TestPositionsOfTheGeoClient(t *testing.T) {
	const front, back = "00:00:00:00:01:5e|2018-04-26|2018-04-28|ezp8xchrr|", "|24.043028|4.15921|0|-1"
	box := Spec{LatitudeIndex: 0, LongitudeIndex: 1, MinLevel: 12}
	far := Spec{LatitudeIndex: 0, LongitudeIndex: 7, MinLevel: 12}
	for _, tt := range []struct {
		spec  Spec
		value string
		ok    bool
	}{
		{lbs(), front + "67.890000|12.345000" + back, true},
		{lbs(), "|2018-04-26|2018-04-28|ezp8xchrr|67.890000|12.345000" + back, true},
		{lbs(), "00:00:00:00:01:5e||2018-04-28|ezp8xchrr|67.890000|12.345000" + back, true},
		{lbs(), front + "67.890000|12.345000||4.15921|0|-1", true},
		{lbs(), front + "67.890000|12.345000|24.043028|4.15921|0|", true},
		{lbs(), front + "67.890000|12.345000", true},
		{lbs(), front + "|12.345000" + back, false},
		{lbs(), front + "67.890000|" + back, false},
		{lbs(), front + "||24.043028|4.15921|0|-1", false},
		{lbs(), "", false},
		{lbs(), front + "67.890000", false}, // it ends with the smaller index
		{lbs(), "12.345|67.89", false},
		{box, "12.345000|67.890000", true},
		{box, "12.345000|67.890000|24.043028", true},
		{box, "12.345000|67.890000||", true},
		{box, "|12.345000|67.890000", false},
		{box, "|12.345000", false},
		{box, "67.890000|", false},
		{box, "|", false},
		{box, "12.345", false},
		{far, "12.345|a|b|67.89", true}, // fewer pieces than the larger index: the last one is taken
		{far, "12.345|67.89", true},
		{far, "12.345|67.89|", false},
		{box, "91|67.89", false},
		{box, "-91|67.89", false},
		{box, "12.345|181", false},
		{box, "12.345|-181", false},
		{box, "90|180", true},
		{box, "-90|-180", true},
		{box, "90.0000000000001|0", false},
	} {
		lat, lng, err := tt.spec.Position([]byte(tt.value))
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrNoPosition) {
			t.Errorf("%q: %v, %v, %v", tt.value, lat, lng, err)
		}
		if tt.ok && math.Abs(lat) != 90 && (lat != 12.345 || lng != 67.89) {
			t.Errorf("%q: %v, %v", tt.value, lat, lng)
		}
	}
}

// TestNumbersAreThoseOfStrtod: buf2double of utils/string_conv.h on glibc.
func TestNumbersAreThoseOfStrtod(t *testing.T) {
	for text, want := range map[string]float64{
		"12.5": 12.5, "+12.5": 12.5, "-.5": -0.5, "5.": 5, "1e1": 10, "1E+1": 10, " \t\n\v\f\r12.5": 12.5, "0x1p3": 8, "0X1P3": 8, "0xA": 10,
		"-0x1.8": -1.5, "0": 0, "-0": 0, "0e-999": 0, "0x0p-2000": 0, "0.000": 0, "0x1p-1074": 0x1p-1074, "00012": 12,
	} {
		if got, ok := parseDouble([]byte(text)); !ok || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", " ", "12.5 ", "12,5", "inf", "-inf", "nan", "NAN", "infinity", "1_0", "0x_1p0", "0x", "0xp1", "1e", "1e+", "0x1p", ".", "+", "--1",
		"1e400", "-1e400", "1e-400", "1e-310", "0x1p-1075", "12.5\x00", "1d", "1f", "0b1", "0o7", "é", "1 2", "- 1", "e5", "+-1"} {
		if got, ok := parseDouble([]byte(text)); ok {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

// TestKeysByHand: cells that follow from the definition of S2 alone. The origin is the corner of the faces' middle:
// on face 0 the Hilbert curve enters the quadrant of large i and j third, as "2", and its lower corner is the first
// cell of everything below.
func TestKeysByHand(t *testing.T) {
	raw := pegkey.Encode(nil, []byte("test_hash_key"), []byte("test_sort_key"))
	spec := Spec{LatitudeIndex: 0, LongitudeIndex: 1, MinLevel: 12}
	key, err := spec.Key([]byte("kept"), raw, []byte("0|0|what else"))
	if err != nil {
		t.Fatal(err)
	}
	want := append([]byte("kept\x00\x0e0/2"), strings.Repeat("0", 11+18)+":\x00\x0dtest_hash_keytest_sort_key"...)
	if !bytes.Equal(key, want) {
		t.Errorf("%q, want %q", key, want)
	}
	spec.MinLevel = 0
	key, err = spec.Key(nil, raw, []byte("0|0"))
	if want := "\x00\x020/2" + strings.Repeat("0", 29) + ":\x00\x0dtest_hash_keytest_sort_key"; err != nil || string(key) != want {
		t.Errorf("%q, %v, want %q", key, err, want)
	}
	// A tenth of a millimetre north-west of the origin are small i and large j: the second quadrant, and in it and
	// all below the corner of large i and small j, where the curve ends.
	if got := leaf(1e-9, -1e-9).String(); got != "0/1"+strings.Repeat("3", 29) {
		t.Errorf("north-west of the origin: %s", got)
	}
	for face, at := range [][2]float64{{0, 0}, {0, 90}, {90, 0}, {0, 180}, {0, -90}, {-90, 0}} {
		if got := leaf(at[0], at[1]).Face(); got != face {
			t.Errorf("%v is on face %d, not %d", at, got, face)
		}
	}
}

// TestKeysOfTheGeoClient: what src/geo/test/geo_test.cpp asserts of generate_geo_keys and restore_origin_keys.
func TestKeysOfTheGeoClient(t *testing.T) {
	raw := pegkey.Encode(nil, []byte("test_hash_key"), []byte("test_sort_key"))
	value := "00:00:00:00:01:5e|2018-04-26|2018-04-28|ezp8xchrr|67.890000|32.345000|24.043028|4.15921|0|-1"
	name := s2.CellIDFromLatLng(s2.LatLngFromDegrees(32.345, 67.89)).String()
	if len(name) != 32 {
		t.Fatalf("leaf %q", name)
	}
	key, err := lbs().Key(nil, raw, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	hash, sort, err := pegkey.Decode(key)
	if err != nil || string(hash) != name[:14] || string(sort) != name[14:]+":"+string(raw) {
		t.Errorf("%q, %q, %v", hash, sort, err)
	}
	if got, err := lbs().Original(key); err != nil || !bytes.Equal(got, raw) {
		t.Errorf("original %q, %v", got, err)
	}
	if key, err := lbs().Key([]byte("kept"), raw, nil); !errors.Is(err, ErrNoPosition) || string(key) != "kept" {
		t.Errorf("%q, %v", key, err)
	}
}

// TestLeavesAgreeWithGolangGeo: another implementation of S2, up to its rounding.
func TestLeavesAgreeWithGolangGeo(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 11))
	apart := 0
	const draws = 100_000
	for range draws {
		lat, lng := math.Round(1e6*(180*r.Float64()-90))/1e6, math.Round(1e6*(360*r.Float64()-180))/1e6
		got, want := leaf(lat, lng), s2.CellIDFromLatLng(s2.LatLngFromDegrees(lat, lng))
		if got == want {
			continue
		}
		apart++
		if d := s2.CellFromCellID(got).Center().Distance(s2.CellFromCellID(want).Center()); d.Radians() > 1e-8 {
			t.Errorf("%v|%v: %v and %v are %v apart", lat, lng, got, want, d)
		}
	}
	if apart > 10 {
		t.Errorf("%d of %d are in another cell", apart, draws)
	}
}

// TestSinesAreRoundedCorrectly: against a series of 300 bits.
func TestSinesAreRoundedCorrectly(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	angles := []float64{0, math.Pi / 4, -math.Pi / 4, math.Pi / 2, -math.Pi / 2, math.Pi, -math.Pi, 3 * math.Pi / 4, math.Pi / 6, 1e-300, 1e-9}
	for range 2000 {
		angles = append(angles, radians(math.Round(1e6*(360*r.Float64()-180))/1e6))
	}
	for _, x := range angles {
		sin, cos := sincos(x)
		wantSin, wantCos := series(x, 1), series(x, 0)
		if sin != wantSin || cos != wantCos {
			t.Errorf("%v: %v, %v, want %v, %v", x, sin, cos, wantSin, wantCos)
		}
	}
}

// series sums x^n/n! with alternating signs for n = first, first+2, ...
func series(x float64, first int) float64 {
	num := func(v float64) *big.Float { return new(big.Float).SetPrec(1400).SetFloat64(v) }
	term := num(1)
	if first == 1 {
		term = num(x)
	}
	square := num(x)
	square.Mul(square, square)
	total := new(big.Float).Copy(term)
	for n := first + 1; n < 120; n += 2 {
		term.Mul(term, square)
		term.Quo(term, num(float64(n*(n+1))))
		term.Neg(term)
		total.Add(total, term)
	}
	v, _ := total.Float64()
	return v
}

func TestSpecIsChecked(t *testing.T) {
	if err := lbs().Check(); err != nil {
		t.Error(err)
	}
	for _, s := range []Spec{{3, 3, 12}, {-1, 2, 12}, {1, -2, 12}, {5, 4, -1}, {5, 4, 30}} {
		if s.Check() == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}

func TestOriginalRefusesOtherRows(t *testing.T) {
	tail := strings.Repeat("0", 18)
	for _, k := range [][2]string{{"user", "name"}, {"0/012301230123", tail}, {"0/012301230123", tail + ":"}, {"0/012301230123", tail + ":\x00\x05abc"},
		{"0/012301230124", tail + ":\x00\x00a"}, {"6/012301230123", tail + ":\x00\x00a"}, {"0/012301230123", "4" + tail[1:] + ":\x00\x00a"}, {"0-012301230123", tail + ":\x00\x00a"}} {
		if raw, err := lbs().Original(pegkey.Encode(nil, []byte(k[0]), []byte(k[1]))); err == nil {
			t.Errorf("%q leads to %q", k, raw)
		}
	}
	if _, err := lbs().Original([]byte{0}); err == nil {
		t.Error("half a key is taken")
	}
}

// FuzzKey: no value panics, and every key leads back to its row.
func FuzzKey(f *testing.F) {
	f.Add([]byte("a|b|c|d|67.89|12.345"), uint16(5), uint16(4), uint8(12), []byte("\x00\x01hs"))
	f.Add([]byte("12|34"), uint16(0), uint16(9), uint8(0), []byte("\x00\x00"))
	f.Add([]byte("|||||"), uint16(1), uint16(0), uint8(29), []byte("\x00\x01h"))
	f.Add([]byte("0x1p-1074| 1e-310"), uint16(1), uint16(0), uint8(29), []byte("\x00\x01h"))
	f.Fuzz(func(t *testing.T, value []byte, lat, lng uint16, level uint8, raw []byte) {
		s := Spec{LatitudeIndex: int(lat), LongitudeIndex: int(lng), MinLevel: int(level)}
		if s.Check() != nil {
			return
		}
		if _, _, err := pegkey.Decode(raw); err != nil {
			return
		}
		key, err := s.Key(nil, raw, value)
		if err != nil {
			if !errors.Is(err, ErrNoPosition) || key != nil {
				t.Fatalf("%q, %v", key, err)
			}
			return
		}
		if back, err := s.Original(key); err != nil || !bytes.Equal(back, raw) {
			t.Fatalf("%q leads to %q, %v", key, back, err)
		}
	})
}

func BenchmarkKey(b *testing.B) {
	value := []byte("00:00:00:00:01:5e|2018-04-26|2018-04-28|ezp8xchrr|" + strconv.FormatFloat(67.890123, 'f', 6, 64) + "|32.345678|24.043028|4.15921|0|-1")
	raw := pegkey.Encode(nil, []byte("test_hash_key"), []byte("test_sort_key"))
	var key []byte
	b.ReportAllocs()
	for b.Loop() {
		key, _ = lbs().Key(key[:0], raw, value)
	}
}

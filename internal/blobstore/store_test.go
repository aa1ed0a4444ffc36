package blobstore

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

// wantCode fails unless the error is one of ours with that code, a path and a store.
func wantCode(t *testing.T, err error, want Code) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want an *Error of code %s", err, err, want)
	}
	if e.Code != want || e.Path == "" || e.Store == "" {
		t.Fatalf("error %v: code %s of %s on %q; want %s", err, e.Code, e.Path, e.Store, want)
	}
}

func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func sumOf(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

func mustPut(t *testing.T, s Store, name string, data []byte) Entry {
	t.Helper()
	e, err := WriteFile(t.Context(), s, name, data)
	if err != nil {
		t.Fatal(err)
	}
	if e.Size != int64(len(data)) || e.MD5 != sumOf(data) {
		t.Fatalf("written %+v, want size %d and md5 %s", e, len(data), sumOf(data))
	}
	return e
}

func wantContent(t *testing.T, s Store, name string, want []byte) {
	t.Helper()
	got, err := ReadFile(t.Context(), s, name, 1<<30)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s holds %d bytes, %v; want %d others", name, len(got), err, len(want))
	}
}

func wantNames(t *testing.T, s Store, dir string, want ...string) {
	t.Helper()
	entries, err := s.List(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		name := e.Name
		if e.Dir {
			name += "/"
		}
		got = append(got, name)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s holds %q, want %q", dir, got, want)
	}
}

// testStore is what every store has to do; it is run on a directory and on a real HDFS. root is an empty folder.
func testStore(t *testing.T, s Store, root string) {
	at := func(name string) string { return Join(root, name) }
	if err := s.MkdirAll(t.Context(), at("a/b")); err != nil {
		t.Fatal(err)
	}
	if err := s.MkdirAll(t.Context(), at("a/b")); err != nil {
		t.Fatalf("a folder that exists: %v", err)
	}
	t.Run("sizes", func(t *testing.T) {
		for i, n := range []int{0, 1, 511, 513, chunk - 1, chunk, chunk + 1, 3<<20 + 7} {
			name := at(fmt.Sprintf("a/b/%d", n))
			data := noise(uint64(i), n)
			mustPut(t, s, name, data)
			e, err := s.Stat(t.Context(), name)
			if err != nil || e.Size != int64(n) || e.Dir || (e.MD5 != "" && e.MD5 != sumOf(data)) {
				t.Fatalf("stat %+v, %v", e, err)
			}
			wantContent(t, s, name, data)
		}
	})
	t.Run("replace", func(t *testing.T) {
		for _, content := range []string{"one", "a longer two", ""} {
			mustPut(t, s, at("a/replaced"), []byte(content))
			wantContent(t, s, at("a/replaced"), []byte(content))
		}
	})
	t.Run("ranges", func(t *testing.T) { testRanges(t, s, at("a/ranges")) })
	t.Run("listing", func(t *testing.T) {
		mustPut(t, s, at("l"), []byte("x"))
		if err := s.MkdirAll(t.Context(), at("k")); err != nil {
			t.Fatal(err)
		}
		wantNames(t, s, root, "a/", "k/", "l")
		wantNames(t, s, at("k"))
	})
	t.Run("abort", func(t *testing.T) {
		mustPut(t, s, at("k/kept"), []byte("old"))
		for _, name := range []string{at("k/kept"), at("k/never")} {
			w, err := s.Create(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(noise(9, chunk+9)); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(w.Abort(), w.Abort()); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte("x")); CodeOf(err) != CodeClosed {
				t.Fatalf("a write after Abort: %v", err)
			}
			if _, err := w.Commit(); CodeOf(err) != CodeClosed {
				t.Fatalf("Commit after Abort: %v", err)
			}
		}
		wantContent(t, s, at("k/kept"), []byte("old"))
		wantNames(t, s, at("k"), "kept")
	})
	t.Run("missing", func(t *testing.T) { testMissing(t, s, root) })
	t.Run("removal", func(t *testing.T) {
		wantCode(t, s.Remove(t.Context(), at("k")), CodeNotEmpty)
		if err := s.Remove(t.Context(), at("k/kept")); err != nil {
			t.Fatal(err)
		}
		wantNames(t, s, at("k"))
		if err := s.Remove(t.Context(), at("k")); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.RemoveAll(t.Context(), at("a")); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.RemoveAll(t.Context(), at("l")); err != nil {
			t.Fatal(err)
		}
		wantNames(t, s, root)
		wantCode(t, s.RemoveAll(t.Context(), "."), CodeInvalid)
	})
	t.Run("room", func(t *testing.T) {
		if space, err := s.Space(t.Context()); err != nil || space.Free <= 0 || space.Total < space.Free {
			t.Fatalf("%+v, %v", space, err)
		}
	})
	t.Run("cancelled", func(t *testing.T) { testCancelled(t, s, at("c")) })
}

func testRanges(t *testing.T, s Store, name string) {
	data := noise(5, 2*chunk+77)
	mustPut(t, s, name, data)
	size := int64(len(data))
	for _, r := range [][2]int64{{0, -1}, {0, 0}, {0, size}, {7, 100}, {chunk - 3, 6}, {chunk, chunk}, {size - 1, 1}, {size, 0}, {size, -1}, {3, -1}} {
		rc, err := s.Open(t.Context(), name, r[0], r[1])
		if err != nil {
			t.Fatalf("range %v: %v", r, err)
		}
		got, err := io.ReadAll(rc)
		if err := errors.Join(err, rc.Close()); err != nil {
			t.Fatalf("range %v: %v", r, err)
		}
		end := r[0] + r[1]
		if r[1] < 0 {
			end = size
		}
		if !bytes.Equal(got, data[r[0]:end]) {
			t.Fatalf("range %v: %d other bytes", r, len(got))
		}
	}
	for _, r := range [][2]int64{{-1, 1}, {size + 1, -1}, {size, 1}, {0, size + 1}, {1 << 62, 1 << 62}} {
		_, err := s.Open(t.Context(), name, r[0], r[1])
		wantCode(t, err, CodeInvalid)
	}
	f, err := s.OpenAt(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Size() != size {
		t.Fatalf("size %d, want %d", f.Size(), size)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		off := random.Int64N(size)
		p := make([]byte, random.IntN(int(min(size-off, 5000)))+1)
		if n, err := f.ReadAt(p, off); n != len(p) || (err != nil && !errors.Is(err, io.EOF)) || !bytes.Equal(p, data[off:off+int64(n)]) {
			t.Fatalf("%d bytes at %d: %d, %v", len(p), off, n, err)
		}
	}
	p := make([]byte, 10)
	if n, err := f.ReadAt(p, size-4); n != 4 || !errors.Is(err, io.EOF) || !bytes.Equal(p[:4], data[size-4:]) {
		t.Fatalf("over the end: %d, %v", n, err)
	}
}

func testMissing(t *testing.T, s Store, root string) {
	ctx, gone := t.Context(), Join(root, "gone")
	_, err := s.Stat(ctx, gone)
	wantCode(t, err, CodeNotFound)
	_, err = s.List(ctx, gone)
	wantCode(t, err, CodeNotFound)
	_, err = s.Open(ctx, gone, 0, -1)
	wantCode(t, err, CodeNotFound)
	_, err = s.OpenAt(ctx, gone)
	wantCode(t, err, CodeNotFound)
	_, err = WriteFile(ctx, s, Join(gone, "x"), []byte("x"))
	wantCode(t, err, CodeNotFound)
	wantCode(t, s.Remove(ctx, gone), CodeNotFound)
	if err := s.RemoveAll(ctx, gone); err != nil {
		t.Fatal(err)
	}
	_, err = s.Open(ctx, Join(root, "k"), 0, -1)
	wantCode(t, err, CodeInvalid)
	_, err = WriteFile(ctx, s, Join(root, "k"), []byte("x"))
	wantCode(t, err, CodeInvalid)
	for _, bad := range []string{"", "/abs", "../up", "a/../b", "a//b", "a/", "a\nb", "./a"} {
		_, err = s.Stat(ctx, bad)
		if CodeOf(err) != CodeInvalid {
			t.Fatalf("name %q: %v", bad, err)
		}
	}
	for _, reserved := range []string{".", ".x.meta", ".x12"} {
		_, err = WriteFile(ctx, s, Join(root, reserved), []byte("x"))
		wantCode(t, err, CodeInvalid)
	}
}

func testCancelled(t *testing.T, s Store, name string) {
	mustPut(t, s, name, noise(3, 2*chunk))
	ctx, cancel := context.WithCancel(t.Context())
	r, err := s.Open(ctx, name, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w, err := s.Create(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_, err = s.Stat(ctx, name)
	wantCode(t, err, CodeCanceled)
	if _, err := io.Copy(io.Discard, r); CodeOf(err) != CodeCanceled {
		t.Fatalf("a read after the end of its context: %v", err)
	}
	_, _ = w.Write([]byte("new"))
	_, err = w.Commit()
	wantCode(t, err, CodeCanceled)
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	wantContent(t, s, name, noise(3, 2*chunk))
	if err := s.Remove(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

func TestJoin(t *testing.T) {
	for _, test := range []struct {
		parts []string
		want  string
	}{
		{[]string{"/", ""}, "."}, {[]string{}, "."}, {[]string{"/a/", "b"}, "a/b"}, {[]string{"", "x", "", "y/"}, "x/y"},
	} {
		if got := Join(test.parts...); got != test.want {
			t.Errorf("%q: %q, want %q", test.parts, got, test.want)
		}
	}
}

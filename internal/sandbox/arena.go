package sandbox

// Sizes of arena chunks in bytes. A chunk lives as long as any row in it, so they
// stay small enough that a few old rows do not keep much alive.
const (
	minChunk = 512
	maxChunk = 64 << 10
)

// arena hands out byte slices that are written once and never change. It exists
// because one allocation per row is what a sandbox under load would mostly do.
type arena struct {
	free []byte
	size int
}

// take returns n bytes that no one else has.
func (a *arena) take(n int) []byte {
	if n > maxChunk/4 {
		return make([]byte, n)
	}
	if n > len(a.free) {
		a.size = min(max(2*a.size, minChunk, n), maxChunk)
		a.free = make([]byte, a.size)
	}
	b := a.free[:n:n]
	a.free = a.free[n:]
	return b
}

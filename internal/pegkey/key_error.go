package pegkey

import "fmt"

// keyError describes why a raw key of size bytes is malformed.
func keyError(why string, size int) error {
	return fmt.Errorf("%w of %d bytes: %s", ErrMalformedKey, size, why)
}

package traffic

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain looks for goroutines that are left. The one of Apache's client that asks for a table's
// partitions in the background waits for an answer beyond the client's end when a meta is away.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/apache/incubator-pegasus/go-client/session.(*metaCall).Run"))
}

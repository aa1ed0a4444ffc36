package blobstore

import (
	"testing"

	"go.uber.org/goleak"
)

// closeWriter says which goroutine the HDFS library leaves behind when a data node fails in the middle of an upload.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/colinmarc/hdfs/v2/internal/transfer.(*blockWriteStream).ackPackets"))
}

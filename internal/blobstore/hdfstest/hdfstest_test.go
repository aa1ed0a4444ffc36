package hdfstest

import (
	"slices"
	"testing"

	"github.com/colinmarc/hdfs/v2/hadoopconf"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestConfiguration: clients and daemons read the same files, and find both name nodes in them.
func TestConfiguration(t *testing.T) {
	c := &Cluster{t: t, dir: t.TempDir()}
	if err := c.configure(); err != nil {
		t.Fatal(err)
	}
	conf, err := hadoopconf.Load(c.ConfDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range c.NameNodes() {
		if !slices.Contains(conf.Namenodes(), address) {
			t.Errorf("%s is not among %q", address, conf.Namenodes())
		}
	}
	if conf["fs.defaultFS"] != "hdfs://test" || conf["dfs.blocksize"] != "1048576" {
		t.Errorf("%v", conf)
	}
}

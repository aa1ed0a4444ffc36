package hdfstest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

var errEnded = errors.New("a daemon ended")

// wait tries until it works or the time is over.
func (c *Cluster) wait(try func() error) error {
	for deadline := time.Now().Add(startLimit); ; {
		err := try()
		if err == nil || errors.Is(err, errEnded) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// configure writes the files that every process of the cluster reads. The node is a system property.
func (c *Cluster) configure() error {
	conf := c.ConfDir()
	// The web servers of the daemons want a folder, and the jars have none.
	for _, dir := range []string{"webapps/hdfs", "webapps/datanode"} {
		if err := os.MkdirAll(filepath.Join(conf, dir), 0o700); err != nil {
			return err
		}
	}
	c.ports = map[string]int{}
	http := map[string]int{}
	for _, name := range []string{"nn1", "nn2"} {
		for _, ports := range []map[string]int{c.ports, http} {
			port, err := freePort()
			if err != nil {
				return err
			}
			ports[name] = port
		}
	}
	files := map[string][][2]string{
		"core-site.xml": {
			{"fs.defaultFS", "hdfs://test"},
			{"hadoop.tmp.dir", c.dir + "/tmp/${pegmigrate.node}"},
			{"ipc.client.connect.max.retries", "3"},
		},
		"hdfs-site.xml": c.hdfsSite(http),
	}
	for name, properties := range files {
		if err := os.WriteFile(filepath.Join(conf, name), xml(properties), 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(conf, "log4j.properties"), []byte(logging), 0o600)
}

// hdfsSite are the properties of the daemons; http are the ports of the name nodes' web servers.
func (c *Cluster) hdfsSite(http map[string]int) [][2]string {
	return [][2]string{
		{"dfs.nameservices", "test"},
		{"dfs.ha.namenodes.test", "nn1,nn2"},
		{"dfs.ha.namenode.id", "${pegmigrate.node}"},
		{"dfs.namenode.rpc-address.test.nn1", c.address("nn1")},
		{"dfs.namenode.rpc-address.test.nn2", c.address("nn2")},
		{"dfs.namenode.http-address.test.nn1", fmt.Sprintf("127.0.0.1:%d", http["nn1"])},
		{"dfs.namenode.http-address.test.nn2", fmt.Sprintf("127.0.0.1:%d", http["nn2"])},
		{"dfs.namenode.name.dir", "file://" + c.dir + "/${pegmigrate.node}"},
		{"dfs.namenode.shared.edits.dir", "file://" + c.dir + "/shared"},
		{"dfs.ha.fencing.methods", "shell(/bin/true)"},
		{"dfs.ha.tail-edits.period", "1s"},
		{"dfs.client.failover.proxy.provider.test", "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider"},
		{"dfs.datanode.address", "127.0.0.1:0"},
		{"dfs.datanode.http.address", "127.0.0.1:0"},
		{"dfs.datanode.ipc.address", "127.0.0.1:0"},
		{"dfs.datanode.data.dir", "file://" + c.dir + "/${pegmigrate.node}"},
		{"dfs.blocksize", "1048576"},
		{"dfs.replication", "2"},
		{"dfs.namenode.safemode.extension", "0"},
		{"dfs.ls.limit", "7"},
		// A data node that is gone is not used for new blocks after some seconds, instead of minutes.
		{"dfs.heartbeat.interval", "1"},
		{"dfs.namenode.heartbeat.recheck-interval", "1000"},
		{"dfs.namenode.stale.datanode.interval", "3000"},
		{"dfs.namenode.avoid.write.stale.datanode", "true"},
		// One of two counts as too many to avoid by default.
		{"dfs.namenode.write.stale.datanode.ratio", "1.0"},
	}
}

const logging = `log4j.rootLogger=WARN, err
log4j.appender.err=org.apache.log4j.ConsoleAppender
log4j.appender.err.target=System.err
log4j.appender.err.layout=org.apache.log4j.PatternLayout
log4j.appender.err.layout.ConversionPattern=%d{ISO8601} %p %c{1}: %m%n
`

func xml(properties [][2]string) []byte {
	var b strings.Builder
	b.WriteString("<configuration>\n")
	for _, p := range properties {
		fmt.Fprintf(&b, "<property><name>%s</name><value>%s</value></property>\n", p[0], p[1])
	}
	b.WriteString("</configuration>\n")
	return []byte(b.String())
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

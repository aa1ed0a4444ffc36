package blobstore

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"os"
	"os/user"
	"path"
	"slices"
	"strings"

	"github.com/colinmarc/hdfs/v2"
	"github.com/colinmarc/hdfs/v2/hadoopconf"
)

// HDFSOptions say where an HDFS is and how to use it.
type HDFSOptions struct {
	// NameNodes are host:port addresses (port 8020 when left out), several where there is a standby; or one logical
	// name (dfs.nameservices), which the Hadoop configuration takes apart. A leading hdfs:// is allowed, so that the first
	// word of a provider's args can be given as it is.
	NameNodes []string
	// User to act as; default $HADOOP_USER_NAME, then the user of this process.
	User string
	// Root of the store, the second word of a provider's args; default "/".
	Root string
	// ConfDir holds core-site.xml and hdfs-site.xml; default $HADOOP_CONF_DIR, then $HADOOP_HOME/conf. None is needed
	// where NameNodes are addresses and the cluster has no special settings.
	ConfDir string
	// SpoolDir is where what is to be written is kept until it is whole; default the system's folder for temporary files.
	SpoolDir string
	Deadlines
}

// defaultPort is dfs.namenode.rpc-address of Hadoop 3.
const defaultPort = "8020"

// hdfsSetup is HDFSOptions with everything found out.
type hdfsSetup struct {
	client    hdfs.ClientOptions
	root      string
	spool     string
	deadlines Deadlines
}

func (o HDFSOptions) setup() (hdfsSetup, error) {
	conf, err := o.conf()
	if err != nil {
		return hdfsSetup{}, err
	}
	if strings.EqualFold(conf["hadoop.security.authentication"], "kerberos") {
		return hdfsSetup{}, errKerberos
	}
	s := hdfsSetup{client: clientOptions(conf), root: path.Clean("/" + o.Root), spool: o.SpoolDir, deadlines: o.withDefaults()}
	if s.client.Addresses, err = nameNodes(conf, o.NameNodes); err != nil {
		return hdfsSetup{}, err
	}
	if s.client.User = cmp.Or(o.User, os.Getenv("HADOOP_USER_NAME")); s.client.User == "" {
		u, err := user.Current()
		if err != nil {
			return hdfsSetup{}, fmt.Errorf("who am I: %w", err)
		}
		s.client.User = u.Username
	}
	return s, nil
}

func (o HDFSOptions) conf() (hadoopconf.HadoopConf, error) {
	if o.ConfDir == "" {
		return hadoopconf.LoadFromEnvironment()
	}
	conf, err := hadoopconf.Load(o.ConfDir)
	if err == nil && conf == nil {
		err = fmt.Errorf("there is no core-site.xml or hdfs-site.xml in %s", o.ConfDir)
	}
	return conf, err
}

// clientOptions leaves out the addresses: the library mixes those of all clusters of a configuration, and fails on one
// that is no URL.
func clientOptions(conf hadoopconf.HadoopConf) hdfs.ClientOptions {
	rest := maps.Clone(conf)
	maps.DeleteFunc(rest, func(key, _ string) bool { return strings.Contains(key, "fs.default") })
	return hdfs.ClientOptionsFromConf(rest)
}

// nameNodes gives addresses with ports for addresses and logical names.
func nameNodes(conf hadoopconf.HadoopConf, names []string) ([]string, error) {
	var addresses []string
	for _, name := range names {
		name = strings.TrimRight(strings.TrimPrefix(strings.TrimSpace(name), "hdfs://"), "/")
		if ids := conf["dfs.ha.namenodes."+name]; name != "" && ids != "" {
			for id := range strings.SplitSeq(ids, ",") {
				key := "dfs.namenode.rpc-address." + name + "." + strings.TrimSpace(id)
				if conf[key] == "" {
					return nil, fmt.Errorf("the Hadoop configuration has name node %s and no %s", id, key)
				}
				addresses = append(addresses, conf[key])
			}
			continue
		}
		if address := conf["dfs.namenode.rpc-address."+name]; name != "" && address != "" {
			name = address
		}
		if !strings.Contains(name, ":") {
			name = net.JoinHostPort(name, defaultPort)
		}
		if host, port, err := net.SplitHostPort(name); err != nil || host == "" || port == "" || strings.ContainsAny(host, "/@ ") {
			return nil, fmt.Errorf("%q is no address of a name node", name)
		}
		addresses = append(addresses, name)
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("no name node is given")
	}
	slices.Sort(addresses)
	return slices.Compact(addresses), nil
}

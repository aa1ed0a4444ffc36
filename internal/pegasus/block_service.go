package pegasus

import "strings"

// BlockService is one [block_service.<name>] section: a place where backups go and bulk loads come from.
type BlockService struct {
	Name string
	// Type is local_service, hdfs_service or what else the section says.
	Type string
	// Args are separated by white space in the section.
	Args []string
}

// sectionBlockService is the beginning of the names of such sections (src/block_service,
// block_service_manager.cpp).
const sectionBlockService = "block_service."

// BlockServices are the block services of a server by name.
func (d ConfigDump) BlockServices() map[string]BlockService {
	out := map[string]BlockService{}
	for section, values := range d {
		if name, ok := strings.CutPrefix(section, sectionBlockService); ok && name != "" {
			out[name] = BlockService{Name: name, Type: values["type"], Args: strings.Fields(values["args"])}
		}
	}
	return out
}

// BackupRoot is [replication] cold_backup_root: the first folder of every backup, on both kinds of
// servers.
func (d ConfigDump) BackupRoot() (string, bool) {
	return d.Value(sectionReplication, "cold_backup_root")
}

// BackupDisabled is [meta_server] cold_backup_disabled, which is true when nobody says otherwise
// (src/meta/meta_service.cpp).
func (d ConfigDump) BackupDisabled() bool {
	v, ok := d.Value("meta_server", "cold_backup_disabled")
	return !ok || !isFalse(v)
}

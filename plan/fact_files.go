package plan

import "fmt"

// filesFacts are what a method that goes through files rests on. What moves by itself is left out: room, rates,
// backups that come and go, and what is being uploaded.
func filesFacts(put func(string, string, ...any), f *FilesFacts) {
	put("files.root", "%s", f.Root)
	put("files.store", "%s", reachable(f.Store))
	put("files.target_store", "%s", reachable(f.TargetStore))
	put("files.source_provider", "%s", providers(f.SourceServers, f.Store.Provider.Name, f.SourceProbe))
	put("files.target_provider", "%s", providers(f.TargetServers, f.TargetStore.Provider.Name, f.TargetProbe))
	off := 0
	for _, s := range f.SourceServers {
		if s.BackupDisabled != nil && *s.BackupDisabled {
			off++
		}
	}
	put("files.backup_disabled", "%d", off)
	if f.Found != nil {
		put("files.backup", "%d of %s_%d, %d partitions, finished %t", f.Found.ID, f.Found.Table, f.Found.AppID, f.Found.Partitions, f.Found.Finished)
	}
}

func reachable(s StoreFacts) string {
	if s.Problem != "" {
		return "out of reach"
	}
	return s.Provider.Store.Type + " " + s.Provider.Store.Root
}

func providers(servers []FileServer, name string, probe ProviderProbe) string {
	has, told := 0, 0
	for _, s := range servers {
		if !s.ProvidersTold {
			continue
		}
		told++
		if _, ok := s.Providers[name]; ok {
			has++
		}
	}
	if told == 0 {
		return fmt.Sprintf("asked %t, known %t", probe.Asked, probe.Known)
	}
	return fmt.Sprintf("%d of %d", has, told)
}

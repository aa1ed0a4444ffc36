package idl

import (
	"cmp"
	"slices"
	"strings"
)

// rawPartitionBulkLoadState appends one value of a map of states.
func rawPartitionBulkLoadState(b []byte, s PartitionBulkLoadState) []byte { return s.AppendTo(b) }

// rawBulkLoadStates appends the states of one partition by server address.
func rawBulkLoadStates(b []byte, m map[Addr]PartitionBulkLoadState) []byte {
	return rawMap(b, tStruct, tStruct, m, rawAddr, rawPartitionBulkLoadState)
}

// readBulkLoadStates reads the states of one partition by server address.
func readBulkLoadStates(d *Decoder) map[Addr]PartitionBulkLoadState {
	return readEntries(d, d.rawMapping(tStruct, tStruct, 9), (*Decoder).rawAddr, readStruct[PartitionBulkLoadState])
}

// rawHpBulkLoadStates appends the states of one partition by server host.
func rawHpBulkLoadStates(b []byte, m map[HostPort]PartitionBulkLoadState) []byte {
	hosts := make([]HostPort, 0, len(m))
	for h := range m {
		hosts = append(hosts, h)
	}
	slices.SortFunc(hosts, func(x, y HostPort) int {
		return cmp.Or(strings.Compare(x.Host, y.Host), cmp.Compare(x.Port, y.Port), cmp.Compare(x.Type, y.Type))
	})
	b = rawI32(append(b, tStruct, tStruct), int32(len(hosts)))
	for _, h := range hosts {
		s := m[h]
		b = s.AppendTo(rawHostPort(b, h))
	}
	return b
}

// readHpBulkLoadStates reads the states of one partition by server host.
func readHpBulkLoadStates(d *Decoder) map[HostPort]PartitionBulkLoadState {
	return readEntries(d, d.rawMapping(tStruct, tStruct, 8), (*Decoder).rawHostPort, readStruct[PartitionBulkLoadState])
}

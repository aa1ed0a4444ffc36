package sst

import (
	"bufio"
	"bytes"
	"strings"
)

// optionsFile is what an OPTIONS file says that matters to a reader.
type optionsFile struct {
	version  string                       // of RocksDB
	families map[string]map[string]string // by name: comparator, table_factory and the like
}

// parseOptions reads the form of options/options_parser.cc: sections as in an INI file, with names in quotes. What it does
// not know it passes over, for each release has options of its own.
func parseOptions(b []byte) (optionsFile, error) {
	o := optionsFile{families: map[string]map[string]string{}}
	section, values := "", map[string]string(nil)
	in := bufio.NewScanner(bytes.NewReader(b))
	in.Buffer(nil, maxOptions)
	for in.Scan() {
		line := strings.TrimSpace(in.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section, values = line[1:len(line)-1], nil
			if name, ok := strings.CutPrefix(section, "CFOptions "); ok {
				values = map[string]string{}
				o.families[strings.Trim(name, `"`)] = values
			}
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		switch {
		case !ok:
			continue
		case section == "Version" && key == "rocksdb_version":
			o.version = value
		case values != nil:
			values[key] = value
		}
	}
	if err := in.Err(); err != nil {
		return o, &Error{Code: CodeDamaged, What: "cannot be read as options", Err: err}
	}
	if o.version == "" {
		return o, damaged("names no version of RocksDB")
	}
	return o, nil
}

// check refuses what would make the files of a column family mean something else.
func (o optionsFile) check(family string) error {
	values := o.families[family]
	if c, ok := values["comparator"]; ok && c != bytewiseComparator {
		return unsupported("column family %s is ordered by %s", family, c)
	}
	if f, ok := values["table_factory"]; ok && f != "BlockBasedTable" {
		return unsupported("the tables of column family %s are of kind %s", family, f)
	}
	return nil
}

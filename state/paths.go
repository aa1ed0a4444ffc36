package state

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
)

// Folder is the name of the folder beside the configuration that holds all files of this package.
const Folder = ".pegmigrate"

// maxName bounds migration names and step IDs, in bytes. Most file systems allow 255 for a file name; the longest suffix
// and the digits of a temporary file need less than 55, and a journal has both names in it.
const maxName = 100

// Path is the state document of a migration whose configuration lies in dir. Its folder is shared by all migrations.
func Path(dir, migration string) string { return file(dir, migration, ".state.json") }

// BackupPath is the document as it was before the last change.
func BackupPath(dir, migration string) string { return Path(dir, migration) + ".backup" }

func lockPath(dir, migration string) string   { return file(dir, migration, ".lock") }
func holderPath(dir, migration string) string { return file(dir, migration, ".holder.json") }

// journalPath joins the names by "@", which checkName allows in neither: no two journals share a file.
func journalPath(dir, migration, step string) string {
	return file(dir, migration, "@"+step+".journal")
}

func file(dir, migration, suffix string) string {
	return filepath.Join(dir, Folder, migration+suffix)
}

// checkName refuses names that would leave the folder, be hidden in it, or collide with other files of ours.
func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s has no name", what)
	case len(name) > maxName:
		return fmt.Errorf("%s %.20q... is longer than %d bytes", what, name, maxName)
	case strings.HasPrefix(name, "."):
		return fmt.Errorf("%s %q begins with a dot", what, name)
	}
	for _, r := range name {
		if strings.ContainsRune(`/\@:`, r) || !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return fmt.Errorf("%s %q has a character that is not allowed in a file name: %q", what, name, r)
		}
	}
	return nil
}

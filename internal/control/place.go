package control

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// maxPath is the longest name of a unix socket on Linux, less the zero at its end (sun_path, unix(7));
// other systems allow 103.
const maxPath = 103

// Place says where the socket of a migration is.
type Place struct {
	// Dir is the folder of the state, Name the migration's name, which is good for a file name.
	Dir, Name string
}

// direct is the socket's name beside the state.
func (p Place) direct() (string, error) {
	dir, err := filepath.Abs(p.Dir)
	return filepath.Join(dir, p.Name+".control"), err
}

// record is the file that says where the socket is when it is not beside the state.
func (p Place) record() string { return filepath.Join(p.Dir, p.Name+".control.json") }

// short is a name for a socket whose direct one is too long or lies where there can be no sockets: in
// a folder of this user below the folder for temporary files.
func (p Place) short() (string, error) {
	direct, err := p.direct()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(direct))
	name := filepath.Join("pegmigrate-"+strconv.Itoa(os.Geteuid()), hex.EncodeToString(sum[:8])+".control")
	for _, base := range []string{os.TempDir(), "/tmp"} {
		path := filepath.Join(base, name)
		if !fits(path) {
			continue
		}
		return path, ownFolder(filepath.Dir(path))
	}
	return "", errors.New("no name for a socket is short enough: set TMPDIR to a shorter folder")
}

// fits tells whether a socket can have this name, and the one that it is made under.
func fits(path string) bool { return len(path)+len(fresh) <= maxPath }

// ownFolder makes a folder that only this user can enter, or refuses one that is not such.
func ownFolder(dir string) error {
	if err := os.Mkdir(dir, atomicfile.DirPerm); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm() != atomicfile.DirPerm || ok && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is not a folder that only this user can enter", dir)
	}
	return nil
}

// place is what the record holds.
type place struct {
	Version int    `json:"version"`
	Socket  string `json:"socket"`
}

// write records where the socket is.
func (p Place) write(socket string) error {
	data, err := json.Marshal(place{Version, socket})
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(atomicfile.OS{}, p.record(), append(data, '\n'))
}

// sockets are the names that the socket may have, most likely first.
func (p Place) sockets() ([]string, error) {
	direct, err := p.direct()
	if err != nil {
		return nil, err
	}
	var names []string
	if fits(direct) {
		names = append(names, direct)
	}
	data, err := os.ReadFile(p.record())
	if errors.Is(err, fs.ErrNotExist) {
		return names, nil
	}
	if err != nil {
		return nil, err
	}
	var at place
	if err := decode(data, &at); err != nil || at.Version != Version || !filepath.IsAbs(at.Socket) || !fits(at.Socket) {
		return nil, fmt.Errorf("%s does not say where the socket is", p.record())
	}
	return append(names, at.Socket), nil
}

package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// WriteFile makes data the content of path, atomically and durably (see the package comment). The folder must exist.
//
// When it fails, path holds the old or the new content, whole; which of the two is unknown only when the failure came
// after the rename. The temporary file is removed where that is still possible.
func WriteFile(fsys FS, path string, data []byte) error {
	staged, err := fsys.Stage(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, Cause(err))
	}
	if err := fill(staged, data); err != nil {
		_ = staged.Abort() // the first error is the one that matters; a leftover is hidden and harmless
		return fmt.Errorf("write %s: %w", path, Cause(err))
	}
	if err := fsys.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("write %s: make the rename durable: %w", path, err)
	}
	return nil
}

// Cause is what went wrong with a file, without the operation and the name, which is that of a temporary file that
// nobody asked for. An error of another kind is given back as it is.
func Cause(err error) error {
	var file *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &file):
		return file.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

func fill(staged Staged, data []byte) error {
	n, err := staged.Write(data)
	if err == nil && n < len(data) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return err
	}
	if err := staged.Sync(); err != nil {
		return err
	}
	return staged.Commit()
}

// RemoveFile deletes a file durably.
func RemoveFile(fsys FS, path string) error {
	if err := fsys.Remove(path); err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	if err := fsys.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("remove %s: make the removal durable: %w", path, err)
	}
	return nil
}

// RemoveTemporary deletes the temporary files that killed writers of path left behind. Call it only while no other
// process can be writing path, that is, under the lock that guards it.
func RemoveTemporary(fsys FS, path string) error {
	dir := filepath.Dir(path)
	names, err := fsys.List(dir)
	if err != nil {
		return fmt.Errorf("look for temporary files of %s: %w", path, err)
	}
	for _, name := range names {
		if !isTemporary(name, filepath.Base(path)) {
			continue
		}
		if err := fsys.Remove(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("remove a temporary file of %s: %w", path, err)
		}
	}
	return nil
}

// TemporaryPrefix is what the name of every temporary file of base begins with; decimal digits follow. It is the scheme
// of renameio, written down because RemoveTemporary depends on it (a test holds the two together).
func TemporaryPrefix(base string) string { return "." + base }

func isTemporary(name, base string) bool {
	digits, ok := strings.CutPrefix(name, TemporaryPrefix(base))
	if !ok || digits == "" {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}

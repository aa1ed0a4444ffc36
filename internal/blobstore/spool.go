package blobstore

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// spoolMemory is how much of a file is kept in memory before a file on disk takes over: lists and infos never need one.
const spoolMemory = 1 << 20

// spool keeps what is written until it is whole, so that it can be sent more than once: a file of HDFS whose data node
// fails has to be begun anew.
type spool struct {
	dir  string
	head bytes.Buffer
	file *os.File // has no name any more: nothing is left of it when the process ends
	size int64
}

// Write implements io.Writer.
func (s *spool) Write(p []byte) (int, error) {
	if s.file == nil && s.head.Len()+len(p) <= spoolMemory {
		s.size += int64(len(p))
		return s.head.Write(p)
	}
	if s.file == nil {
		if err := s.spill(); err != nil {
			return 0, err
		}
	}
	n, err := s.file.Write(p)
	s.size += int64(n)
	if err != nil {
		err = fmt.Errorf("keep it in a temporary file until it is whole: %w", err)
	}
	return n, err
}

func (s *spool) spill() error {
	f, err := os.CreateTemp(s.dir, "pegmigrate-spool-*")
	if err == nil {
		s.file = f
		err = os.Remove(f.Name())
	}
	if err == nil {
		_, err = f.Write(s.head.Bytes())
	}
	if err != nil {
		return fmt.Errorf("keep it in a temporary file until it is whole: %w", err)
	}
	s.head = bytes.Buffer{}
	return nil
}

// reader gives everything from the beginning.
func (s *spool) reader() io.Reader {
	if s.file == nil {
		return bytes.NewReader(s.head.Bytes())
	}
	return io.NewSectionReader(s.file, 0, s.size)
}

func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close() // its bytes are of no use any more
		s.file = nil
	}
	s.head = bytes.Buffer{}
}

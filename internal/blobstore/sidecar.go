package blobstore

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
)

// sidecar is what local_service keeps beside each file: file_metadata in src/block_service/local/local_service.cpp of
// 2.5.0. The order of the fields is the one in which servers write them.
type sidecar struct {
	MD5  string `json:"md5"`
	Size int64  `json:"size"`
}

// maxSidecar is far above what a sidecar can have: 32 digits of MD5, 20 of size, and the words around them.
const maxSidecar = 4096

// sidecarPath is where the sidecar of a file lies.
func sidecarPath(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".meta")
}

func isSidecar(base string) bool {
	return strings.HasPrefix(base, ".") && strings.HasSuffix(base, ".meta") && len(base) > len("..meta")
}

// isTemporary recognises the names of atomicfile's temporary files, which those on HDFS follow: a dot, the name, digits.
func isTemporary(base string) bool {
	name := strings.TrimRight(base, "0123456789")
	return strings.HasPrefix(base, ".") && len(name) > 1 && len(name) < len(base)
}

// encode gives the bytes that local_service writes: one token without white space.
func (s sidecar) encode() []byte {
	return fmt.Appendf(nil, `{"md5":"%s","size":%d}`, s.MD5, s.Size)
}

// decodeSidecar is as strict as the servers, which read one token up to the first white space and want both fields, and
// stricter where they would believe nonsense.
func decodeSidecar(data []byte) (sidecar, error) {
	token := bytes.TrimLeftFunc(data, unicode.IsSpace)
	if end := bytes.IndexFunc(token, unicode.IsSpace); end >= 0 {
		if len(bytes.TrimSpace(token[end:])) > 0 {
			return sidecar{}, fmt.Errorf("%w: white space inside it", errSidecar)
		}
		token = token[:end]
	}
	var fields struct {
		MD5  *string `json:"md5"`
		Size *int64  `json:"size"`
	}
	if err := json.Unmarshal(token, &fields); err != nil {
		return sidecar{}, fmt.Errorf("%w: %w", errSidecar, err)
	}
	if fields.MD5 == nil || fields.Size == nil || *fields.Size < 0 {
		return sidecar{}, fmt.Errorf("%w: md5 and size must be there", errSidecar)
	}
	if sum, err := hex.DecodeString(*fields.MD5); err != nil || len(sum) != 16 {
		return sidecar{}, fmt.Errorf("%w: %q is no MD5", errSidecar, *fields.MD5)
	}
	return sidecar{MD5: strings.ToLower(*fields.MD5), Size: *fields.Size}, nil
}

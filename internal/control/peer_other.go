//go:build !linux

package control

import "net"

// samePeer relies on the modes of socket and folder where the kernel's word is got in other ways.
func samePeer(*net.UnixConn) bool { return true }

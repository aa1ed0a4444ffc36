package pegkey

import (
	"encoding/binary"
	"hash/crc64"
)

// hashPoly is the reflected crc64 polynomial of src/utils/crc.cpp. Changing it
// would send every row to the wrong partition.
const hashPoly = 0x9a6c9329ac4bc9b5

// crcTables are the eight tables of slicing-by-8; read only. hash/crc64 has that
// algorithm too, but for polynomials other than its own two it compares tables on
// each call above 64 bytes and builds new ones on each call above 2 KiB.
var crcTables = makeCRCTables()

// makeCRCTables builds table k as "table 0, then k zero bytes".
func makeCRCTables() *[8]crc64.Table {
	var t [8]crc64.Table
	t[0] = *crc64.MakeTable(hashPoly)
	for i := range t[0] {
		crc := t[0][i]
		for k := 1; k < 8; k++ {
			crc = t[0][crc&0xff] ^ crc>>8
			t[k][i] = crc
		}
	}
	return &t
}

// crc64Sum is the crc64 of p with all ones as initial value and final xor.
func crc64Sum(p []byte) uint64 {
	t := crcTables
	crc := ^uint64(0)
	for len(p) >= 8 {
		crc ^= binary.LittleEndian.Uint64(p)
		crc = t[7][crc&0xff] ^ t[6][crc>>8&0xff] ^ t[5][crc>>16&0xff] ^ t[4][crc>>24&0xff] ^
			t[3][crc>>32&0xff] ^ t[2][crc>>40&0xff] ^ t[1][crc>>48&0xff] ^ t[0][crc>>56]
		p = p[8:]
	}
	for _, b := range p {
		crc = t[0][byte(crc)^b] ^ crc>>8
	}
	return ^crc
}

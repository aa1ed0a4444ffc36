package geo

import (
	"math"

	"github.com/golang/geo/r3"
	"github.com/golang/geo/s2"
)

const (
	// maxLevel is the level of leaf cells, about 1 cm wide.
	maxLevel = s2.MaxLevel
	// limitIJ is the number of leaf cells along an edge of a face.
	limitIJ = 1 << maxLevel
)

// radians is S1Angle::Degrees.
func radians(degrees float64) float64 { return degrees * (math.Pi / 180) }

// leaf gives the leaf cell of a position in degrees, S2CellId(S2LatLng::FromDegrees(lat, lng)) of the s2geometry
// that Pegasus 2.5 is built with (thirdparty/CMakeLists.txt).
//
// A leaf cell is about 1 cm wide and a double resolves nanometres, so two libraries that differ in the last bit put
// one position in some millions into the neighbouring cell, and a geo client that deletes the row later would miss
// its entry. That is why only the cell's number is taken from golang/geo, and what leads to it is computed here as
// there: sines rounded as by glibc, no product fused with a sum, halves rounded to even.
func leaf(lat, lng float64) s2.CellID {
	sinLat, cosLat := sincos(radians(lat))
	sinLng, cosLng := sincos(radians(lng))
	face, u, v := faceUV([3]float64{cosLng * cosLat, sinLng * cosLat, sinLat})
	return cellAt(face, toIJ(toST(u)), toIJ(toST(v)))
}

// faceUV projects a point on the face of the cube around it.
func faceUV(p [3]float64) (face int, u, v float64) {
	x, y, z := math.Abs(p[0]), math.Abs(p[1]), math.Abs(p[2])
	face = 2
	switch {
	case x > y && x > z:
		face = 0
	case x <= y && y > z:
		face = 1
	}
	if p[face] < 0 {
		face += 3
	}
	switch face {
	case 0:
		return face, p[1] / p[0], p[2] / p[0]
	case 1:
		return face, -p[0] / p[1], p[2] / p[1]
	case 2:
		return face, -p[0] / p[2], -p[1] / p[2]
	case 3:
		return face, p[2] / p[0], p[1] / p[0]
	case 4:
		return face, p[2] / p[1], -p[0] / p[1]
	}
	return face, -p[1] / p[2], -p[0] / p[2]
}

// toST is the quadratic projection, S2::UVtoST.
func toST(u float64) float64 {
	if u >= 0 {
		return 0.5 * math.Sqrt(1+float64(3*u))
	}
	return 1 - float64(0.5*math.Sqrt(1-float64(3*u)))
}

// toIJ is S2::STtoIJ with MathUtil::FastIntRound, which rounds by the processor: halves to even.
func toIJ(s float64) int {
	return int(math.RoundToEven(min(max(float64(limitIJ*s)-0.5, 0), limitIJ-1)))
}

// cellAt is the leaf cell at a place of a face. Its centre is half a cell from every other one, which no
// difference between libraries bridges.
func cellAt(face, i, j int) s2.CellID {
	u, v := fromIJ(i), fromIJ(j)
	var p r3.Vector
	switch face {
	case 0:
		p = r3.Vector{X: 1, Y: u, Z: v}
	case 1:
		p = r3.Vector{X: -u, Y: 1, Z: v}
	case 2:
		p = r3.Vector{X: -u, Y: -v, Z: 1}
	case 3:
		p = r3.Vector{X: -1, Y: -v, Z: -u}
	case 4:
		p = r3.Vector{X: v, Y: -1, Z: -u}
	default:
		p = r3.Vector{X: v, Y: u, Z: -1}
	}
	return s2.CellFromPoint(s2.Point{Vector: p}).ID()
}

// fromIJ is the u or v of the centre of a leaf cell, S2::STtoUV.
func fromIJ(i int) float64 {
	s := (float64(i) + 0.5) / limitIJ
	if s >= 0.5 {
		return (4*s*s - 1) / 3
	}
	return (1 - 4*(1-s)*(1-s)) / 3
}

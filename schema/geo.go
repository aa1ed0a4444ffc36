package schema

import "github.com/hashicorp/hcl/v2/hclsyntax"

// Geo declares the index of positions that Pegasus' geo client keeps beside a table, in a table of its own with
// the name of the target and IndexSuffix. Defaults are those of the client's configuration (geo_client.cpp).
type Geo struct {
	// LatitudeIndex and LongitudeIndex are pieces of the value between '|', counted from 0 on, up to 65535; they
	// differ. Defaults 5 and 4.
	LatitudeIndex, LongitudeIndex int
	// MinLevel is the S2 level of the cells that are hash keys of the index, 0 to 29. Default 12.
	MinLevel int
	// OnUndecodable is what becomes of rows whose value has no position. Default UndecodableFail.
	OnUndecodable Undecodable
}

// IndexSuffix makes the name of the index table of the name of its table, as the shell's copy_data does.
const IndexSuffix = "_geo"

// Undecodable says what becomes of rows whose value has no position.
type Undecodable string

// The values of on_undecodable.
const (
	// UndecodableFail ends the run at the first such row.
	UndecodableFail Undecodable = "fail"
	// UndecodableSkip leaves it out of the index, and counts.
	UndecodableSkip Undecodable = "skip"
)

// Bounds and defaults of a geo block.
const (
	maxPiece         = 1<<16 - 1
	maxMinLevel      = 29 // below leaf cells, of level 30
	defaultLatitude  = 5
	defaultLongitude = 4
	defaultMinLevel  = 12
)

func geoSpec() bodySpec {
	return bodySpec{what: "a geo block", attrs: []attrSpec{{name: "latitude_index"}, {name: "longitude_index"}, {name: "min_level"}, {name: "on_undecodable"}}}
}

// decodeGeo gives nil without a block.
func (l *loader) decodeGeo(b *hclsyntax.Block) *Geo {
	if b == nil {
		return nil
	}
	c := l.check(geoSpec(), b.Body, b.DefRange())
	number := func(name string, highest, absent int64, hint string) int {
		if n, ok := l.integer(c, name, 0, highest, CodeLimit, hint); ok {
			return int(n)
		}
		return int(absent)
	}
	const pieces = "pieces of the value between '|' are counted from 0 on"
	out := &Geo{
		LatitudeIndex:  number("latitude_index", maxPiece, defaultLatitude, pieces),
		LongitudeIndex: number("longitude_index", maxPiece, defaultLongitude, pieces),
		MinLevel:       number("min_level", maxMinLevel, defaultMinLevel, "min_level of section [geo_client.lib] of your clients; 12 is its default"),
	}
	out.OnUndecodable, _ = choice(l, c, "on_undecodable", UndecodableFail, nil, UndecodableFail, UndecodableSkip)
	if out.LatitudeIndex == out.LongitudeIndex {
		l.errorf(CodeConflict, b.DefRange(), "declare both as section [geo_client.lib] of your clients has them", "latitude_index and longitude_index are both %d", out.LatitudeIndex)
	}
	return out
}

// checkGeo refuses what leaves no index that could be right.
func (m *CopyMethod) checkGeo(l *loader, mig *Migration, b *hclsyntax.Block) {
	if b == nil || m.Geo == nil {
		return
	}
	at := b.DefRange()
	for _, nested := range b.Body.Blocks {
		if nested.Type == "geo" {
			at = nested.DefRange()
		}
	}
	if m.DropValue {
		l.errorf(CodeConflict, at, "remove one of the two", "geo and copy_value = false exclude each other: positions are in the values")
	}
	if mig.Target.IfExists == IfExistsMerge {
		l.errorf(CodeConflict, at, `copy into a table of its own: if_exists = "fail" or "resume_empty"`,
			"geo and if_exists = %q exclude each other: an index has to be of all rows of its table, and clients that write there would not keep this one", IfExistsMerge)
	}
}

// geo is the part of the declaration that says what an index holds.
type geo struct {
	Latitude  int `json:"latitude"`
	Longitude int `json:"longitude"`
	MinLevel  int `json:"min_level"`
}

func geoOf(g *Geo) *geo {
	if g == nil {
		return nil
	}
	return &geo{Latitude: g.LatitudeIndex, Longitude: g.LongitudeIndex, MinLevel: g.MinLevel}
}

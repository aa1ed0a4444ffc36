package plan

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/schema"
)

// GeoOptions say where values have their position, and what becomes of rows without one (schema.Geo).
type GeoOptions struct {
	LatitudeIndex  int `json:"latitude_index"`
	LongitudeIndex int `json:"longitude_index"`
	MinLevel       int `json:"min_level"`
	// Skip leaves rows without a position out of the index; otherwise the first one ends the run.
	Skip bool `json:"skip,omitempty"`
}

// CreateIndex creates the table of an index, which is not the target of the migration. Its step remembers the
// app id as that of CreateTable does, and DropTable undoes it.
type CreateIndex struct {
	Table      TableRef          `json:"table"`
	Partitions int32             `json:"partitions"`
	Replicas   int32             `json:"replicas"`
	Envs       map[string]string `json:"envs,omitempty"`
}

// BuildIndex waits until the index table is whole, writes one row into it for every row of Table that has a
// position, with value and expiry of that row, and then reads both tables and proves that the index holds these rows
// and no other.
type BuildIndex struct {
	Table  TableRef   `json:"table"`
	Index  TableRef   `json:"index"`
	Geo    GeoOptions `json:"geo"`
	Limits CopyLimits `json:"limits"`
}

// Kind implements Action.
func (CreateIndex) Kind() string { return "create_index" }

// Kind implements Action.
func (BuildIndex) Kind() string { return "build_index" }

func (CreateIndex) sealed() {}
func (BuildIndex) sealed()  {}

// DeclaredGeo are the options of a method's geo block; the zero value without one.
func DeclaredGeo(method *schema.CopyMethod) GeoOptions {
	if method.Geo == nil {
		return GeoOptions{}
	}
	g := method.Geo
	return GeoOptions{LatitudeIndex: g.LatitudeIndex, LongitudeIndex: g.LongitudeIndex, MinLevel: g.MinLevel, Skip: g.OnUndecodable == schema.UndecodableSkip}
}

// index names the index table of the target.
func (b *builder) index() TableRef {
	return TableRef{Cluster: b.target.Cluster, Table: b.target.Table + schema.IndexSuffix}
}

// copies is how often the target's cluster gets every value: an index has them as well.
func (b *builder) copies() uint64 {
	if method, ok := b.m.Method.(*schema.CopyMethod); ok && method.Geo != nil {
		return 2
	}
	return 1
}

// indexSteps make the index of the target, from the target's rows: they are proven by then, and nobody but this run
// writes there. They come after the fence, which must not wait for them, and before the envs that change rows.
func (b *builder) indexSteps(method *schema.CopyMethod) []Step {
	if method.Geo == nil {
		return nil
	}
	limits := copyLimits(b.m.Limits)
	limits.WriteReject = 0
	rows, bytes := b.expected()
	write, read := estimateMove(rows, bytes, limits, false), estimateMove(rows, bytes, limits, true)
	geo := DeclaredGeo(method)
	return []Step{
		{
			ID:     "create-index",
			Action: CreateIndex{Table: b.index(), Partitions: b.partitions, Replicas: b.replicas, Envs: b.envs.create},
			Why:    fmt.Sprintf("%s x %d for the geo index, without default_ttl", plural(int(b.partitions), "partition"), b.replicas),
			Undo:   DropTable{Table: b.index(), Reserve: DropReserve},
		},
		{
			ID:       "build-index",
			Action:   BuildIndex{Table: b.target, Index: b.index(), Geo: geo, Limits: limits},
			Why:      whyIndex(geo),
			Estimate: estimateCreate().Plus(write).Plus(withoutRows(read)).within(b.m.Limits.Window),
		},
	}
}

// whyIndex says what an index is made of.
func whyIndex(g GeoOptions) string {
	s := fmt.Sprintf("S2 cells of level %d and leaf cells, latitude in piece %d and longitude in piece %d of the value; ", g.MinLevel, g.LatitudeIndex, g.LongitudeIndex)
	if g.Skip {
		s += "rows without a position are left out and counted"
	} else {
		s += "a row without a position ends the run"
	}
	return s + "; proven by digests of both tables"
}

// checkGeo looks at what is in the way of an index, and tells what it will not do.
func (b *builder) checkGeo(method *schema.CopyMethod) {
	if method.Geo == nil {
		return
	}
	place := b.place(b.m.Target.Range)
	if b.f.Index == nil {
		b.checks.fail(CodeTableUnread, place, "plan again", "nobody looked for %s", b.index())
		return
	}
	if t := b.f.Index.Table; t != nil {
		b.checks.fail(CodeIndexExists, place, "drop it when nobody needs it: entries that it has of other rows would stay; an index that a run made whose state is lost can be made again",
			"%s, the table of the geo index, exists (id %d)", b.index(), t.ID)
	} else {
		b.checks.ok("%s, the table of the geo index, is absent and will be created", b.index())
	}
	if b.f.Index.OnSource {
		b.checks.warn(CodeIndexNotes, place, "remove the geo block and declare a migration of that table as well to copy the index as it is",
			"%s%s exists: its rows are not looked at, the index is made anew from the values", b.source, schema.IndexSuffix)
	}
	if ttl := b.envs.late[EnvDefaultTTL]; ttl != "" && ttl != "0" {
		b.checks.warn(CodeIndexNotes, place, "set it there by hand when the run is done, if rows without expiry are to go from both tables",
			"%s gets default_ttl=%s, its index %s does not: what compaction stamps in the one stays in the other", b.target, ttl, b.index())
	}
	if method.Geo.OnUndecodable == schema.UndecodableFail {
		b.checks.ok("a row without a position ends the run after the copy; on_undecodable may be changed to \"skip\" on the way")
	}
}

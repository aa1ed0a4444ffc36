package view

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
)

func unequal() event.Verified {
	v := event.Verified{Step: "verify", SourceRows: 200000, TargetRows: 199991, Differences: 33, Missing: 20, Extra: 1, Changed: 5,
		ExpiryDiffers: 4, Misplaced: 3, ExpiredMidway: 7, AllowedExtra: 2, SourceChanged: []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, Round: 2,
		FirstDiffering: []event.Difference{
			{Kind: event.Missing, SourcePartition: 3, HashKey: `"user1"`, SortKey: `"a"`, SourceBytes: 120},
			{Kind: event.Extra, TargetPartition: 5, HashKey: "0xff00", SortKey: `""`, TargetBytes: 1, TargetExpire: 1},
			{Kind: event.Changed, SourcePartition: 3, TargetPartition: 7, HashKey: `"user2"`, SortKey: `""`, SourceBytes: 12, TargetBytes: 13, TargetExpire: 343440000},
			{Kind: event.Expiry, SourcePartition: 3, TargetPartition: 7, HashKey: `"user3"`, SortKey: `""`, SourceExpire: 343440000, TargetExpire: 343440060},
			{Kind: event.Misplaced, Side: "source", SourcePartition: 9, HashKey: `"user4"`, SortKey: `""`},
			{Kind: event.Misplaced, Side: "target", TargetPartition: 8, HashKey: `"user5"`, SortKey: `""`},
		}}
	for i := range 20 {
		v.FirstDiffering = append(v.FirstDiffering, event.Difference{Kind: event.Missing, HashKey: fmt.Sprintf(`"more%d"`, i), SortKey: `""`})
	}
	return v
}

func TestVerifiedText(t *testing.T) {
	var b bytes.Buffer
	for _, v := range []event.Verified{unequal(), {Step: "verify", SourceRows: 3, TargetRows: 2, Differences: 1, Missing: 1},
		{Step: "verify", SourceRows: 200000, TargetRows: 200000, Round: 1},
		{Step: "verify", SourceRows: 10, TargetRows: 9, Differences: 1, Missing: 1, Drifted: 3, Open: 2, Cut: true, Patience: 40 * time.Second,
			FirstDiffering: []event.Difference{{Kind: event.Missing, HashKey: `"k"`, SortKey: `""`, Age: 62 * time.Second}}},
		{Step: "verify", Mode: "sample", Sample: 0.01, SourceRows: 900, TargetRows: 900, Confidence: "9 rows of 900 were read on both sides"},
		{Step: "verify", Mode: "count", SourceRows: 900, TargetRows: 900}, {Step: "verify", Mode: "count", SourceRows: 900, TargetRows: 899, Differences: 1, Missing: 1}} {
		if err := VerifiedText(&b, v, Plain()); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "verified.txt", b.Bytes())
	if n := strings.Count(b.String(), "  hash "); n != shownDifferences+1 {
		t.Errorf("%d differences are listed, want %d", n, shownDifferences+1)
	}
}

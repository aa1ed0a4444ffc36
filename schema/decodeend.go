package schema

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func verifySpec(parts methodParts) bodySpec {
	when := attrSpec{name: "when"}
	if !parts.when {
		when.elsewhere = duplicationOnly
	}
	sample := attrSpec{name: "sample"}
	if !parts.sample {
		sample.elsewhere = copyOnly
	}
	return bodySpec{what: "a verify block", attrs: []attrSpec{{name: "mode"}, when, sample}}
}

// decodeVerify gives the declared comparison; without a block everything is compared.
func (l *loader) decodeVerify(b *hclsyntax.Block, parts methodParts) Verify {
	if b == nil {
		return Verify{Mode: VerifyFull}
	}
	c := l.check(verifySpec(parts), b.Body, b.DefRange())
	allowed, later := []VerifyMode{VerifyFull, VerifyOff}, []VerifyMode{VerifySample, VerifyCount}
	if parts.sample {
		allowed, later = []VerifyMode{VerifyFull, VerifySample, VerifyCount, VerifyOff}, nil
	}
	mode, at := choice(l, c, "mode", VerifyFull, later, allowed...)
	if !slices.Contains(allowed, mode) {
		l.errorf(CodeNotYet, at, `available: mode = "full" or "off"`, "verification by %s is only supported by method copy in this release", mode)
	}
	when, _ := choice(l, c, "when", "", nil, VerifyBeforeFence, VerifyInWindow)
	return Verify{Mode: mode, When: when, Sample: l.sample(c, mode), Range: b.DefRange()}
}

// sample gives the share of the rows that is compared, 0 where everything or nothing is.
func (l *loader) sample(c *content, mode VerifyMode) float64 {
	a := c.attrs["sample"]
	share := l.percent(c, "sample")
	switch {
	case mode != VerifySample && a != nil && share > 0:
		l.errorf(CodeNoEffect, a.NameRange, fmt.Sprintf("declare mode = %q, or remove it", VerifySample),
			"\"sample\" has no effect with mode = %q", mode)
	case mode == VerifySample && share == 0:
		return DefaultSample
	}
	return share
}

func afterSpec() bodySpec {
	return bodySpec{what: "an after block", attrs: []attrSpec{{name: "source"}, {name: "reserve"}}}
}

// decodeAfter gives the declared end of the source, AfterNone when the block does not say.
func (l *loader) decodeAfter(b *hclsyntax.Block, parts methodParts) After {
	c := l.check(afterSpec(), b.Body, b.DefRange())
	out := After{Range: b.DefRange()}
	allowed, later := []SourceAfter{AfterUnfence, AfterKeepFenced}, []SourceAfter{AfterDrop}
	if parts.drop {
		allowed, later = append(allowed, later...), nil
	}
	out.Source, _ = choice(l, c, "source", AfterNone, later, allowed...)
	out.Reserve, _ = l.span(c, "reserve", false, "leave it out for the default, 7d")
	misspelt := out.Source == AfterNone && c.attrs["source"] != nil
	if out.Reserve > 0 && out.Source != AfterDrop && !misspelt {
		l.errorf(CodeNoEffect, c.attrs["reserve"].Expr.Range(), "remove it", `"reserve" says how long a dropped table is kept; the source is not dropped here`)
	}
	return out
}

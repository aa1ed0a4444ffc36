package schema

import "github.com/hashicorp/hcl/v2/hclsyntax"

func verifySpec(parts methodParts) bodySpec {
	when := attrSpec{name: "when"}
	if !parts.when {
		when.elsewhere = duplicationOnly
	}
	return bodySpec{what: "a verify block", attrs: []attrSpec{{name: "mode"}, when}}
}

// decodeVerify gives the declared comparison; without a block everything is compared.
func (l *loader) decodeVerify(b *hclsyntax.Block, parts methodParts) Verify {
	if b == nil {
		return Verify{Mode: VerifyFull}
	}
	c := l.check(verifySpec(parts), b.Body, b.DefRange())
	mode, at := choice(l, c, "mode", VerifyFull, []VerifyMode{VerifySample, VerifyCount}, VerifyFull, VerifyOff)
	if mode == VerifySample || mode == VerifyCount {
		l.errorf(CodeNotYet, at, `available: mode = "full" or "off"`, "verification by %s is not in this release", mode)
	}
	when, _ := choice(l, c, "when", "", nil, VerifyBeforeFence, VerifyInWindow)
	return Verify{Mode: mode, When: when, Range: b.DefRange()}
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

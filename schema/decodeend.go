package schema

import "github.com/hashicorp/hcl/v2/hclsyntax"

func verifySpec() bodySpec {
	return bodySpec{
		what:  "a verify block",
		attrs: []attrSpec{{name: "mode"}, {name: "when", elsewhere: duplicationOnly}},
	}
}

// decodeVerify gives the declared comparison; without a block everything is compared.
func (l *loader) decodeVerify(b *hclsyntax.Block) Verify {
	if b == nil {
		return Verify{Mode: VerifyFull}
	}
	c := l.check(verifySpec(), b.Body, b.DefRange())
	mode, at := choice(l, c, "mode", VerifyFull, []VerifyMode{VerifySample, VerifyCount}, VerifyFull, VerifyOff)
	if mode == VerifySample || mode == VerifyCount {
		l.errorf(CodeNotYet, at, `available: mode = "full" or "off"`, "verification by %s is not in this release", mode)
	}
	return Verify{Mode: mode, Range: b.DefRange()}
}

func afterSpec() bodySpec {
	return bodySpec{what: "an after block", attrs: []attrSpec{{name: "source"}, {name: "reserve"}}}
}

// decodeAfter gives the declared end of the source, AfterNone when the block does not say.
func (l *loader) decodeAfter(b *hclsyntax.Block) After {
	c := l.check(afterSpec(), b.Body, b.DefRange())
	out := After{Range: b.DefRange()}
	out.Source, _ = choice(l, c, "source", AfterNone, []SourceAfter{AfterDrop}, AfterUnfence, AfterKeepFenced)
	out.Reserve, _ = l.duration(c, "reserve", false)
	if out.Reserve > 0 && out.Source != AfterDrop {
		l.errorf(CodeNoEffect, c.attrs["reserve"].Expr.Range(), "remove it", `"reserve" says how long a dropped table is kept; the source is not dropped here`)
	}
	return out
}

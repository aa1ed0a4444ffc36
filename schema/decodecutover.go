package schema

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func cutoverSpec() bodySpec {
	return bodySpec{
		what:   "a cutover block",
		attrs:  []attrSpec{{name: "lag_threshold"}, {name: "traffic_proof"}},
		blocks: []blockSpec{{name: "metaproxy"}},
	}
}

func metaProxySpec() bodySpec {
	return bodySpec{
		what:  "a metaproxy block",
		attrs: []attrSpec{{name: "zookeeper"}, {name: "root", required: true}, {name: "proxies", required: true}},
	}
}

// decodeCutover gives the declared cut-over; without a block there is no route to switch.
func (l *loader) decodeCutover(b *hclsyntax.Block) *Cutover {
	out := &Cutover{LagThreshold: DefaultLagThreshold}
	if b == nil {
		return out
	}
	c := l.check(cutoverSpec(), b.Body, b.DefRange())
	hint := fmt.Sprintf("mutations per partition; %d when it is left out", DefaultLagThreshold)
	if n, ok := l.integer(c, "lag_threshold", 1, math.MaxInt64, CodeLimit, hint); ok {
		out.LagThreshold = n
	}
	proof, declared := l.span(c, "traffic_proof", false, "leave it out for two minutes")
	mb := c.block("metaproxy")
	if mb == nil {
		// A block that is misspelt or repeated was told already; so was one written as an argument.
		if declared && len(b.Body.Blocks) == 0 && b.Body.Attributes["metaproxy"] == nil {
			l.errorf(CodeNoEffect, c.attrs["traffic_proof"].Expr.Range(), "add a metaproxy block, or remove it",
				"traffic_proof watches clients move to the target, and without a metaproxy block nothing moves them")
		}
		return out
	}
	out.MetaProxy = l.decodeMetaProxy(mb)
	out.TrafficProof = DefaultTrafficProof
	if declared {
		out.TrafficProof = proof
	}
	return out
}

func (l *loader) decodeMetaProxy(b *hclsyntax.Block) *MetaProxy {
	c := l.check(metaProxySpec(), b.Body, b.DefRange())
	out := &MetaProxy{
		Range:     b.DefRange(),
		ZooKeeper: l.addresses(c, "zookeeper", false, "10.2.0.1:2181", "leave it out for the source cluster's own ZooKeeper"),
		Proxies:   l.addresses(c, "proxies", true, "10.3.0.1:34601", `list every one: proxies = ["10.3.0.1:34601"]`),
	}
	if s, at, ok := l.text(c, "root", true); ok {
		root, problem := parseRoot(s)
		if problem != "" {
			l.errorf(CodeRoutePath, at, `zookeeper.root of the proxies, like "/pegasus-metaproxy"`, "%q cannot be the root of the route records: %s", s, problem)
		}
		out.Root = root
	}
	return out
}

// addresses gives an argument that is a list of host:port, each once. none is the hint for an empty
// list.
func (l *loader) addresses(c *content, name string, required bool, example, none string) []string {
	items, at, ok := l.textList(c, name, required)
	if ok && len(items) == 0 {
		l.errorf(CodeNoAddress, at, none, "%q lists no address", name)
	}
	var out []string
	for _, item := range items {
		addr, problem := ParseAddress(item.text)
		switch {
		case problem != "":
			l.errorf(CodeAddress, item.at, fmt.Sprintf("like %q", example), "%q is not host:port: %s", item.text, problem)
		case slices.Contains(out, addr):
			l.errorf(CodeAddressTwice, item.at, "remove one", "%q is listed twice", addr)
		default:
			out = append(out, addr)
		}
	}
	return out
}

// maxRoot keeps paths far below ZooKeeper's own bound, jute.maxbuffer.
const maxRoot = 1024

// parseRoot checks the path above the route records and gives it without a slash at the end. problem
// is "" when it is good. ZooKeeper takes more characters than are taken here, none that a person
// would choose.
func parseRoot(s string) (root, problem string) {
	root = strings.TrimSuffix(s, "/")
	switch {
	case !strings.HasPrefix(s, "/"):
		return "", "it must start with a slash"
	case root == "":
		return "", "a MetaProxy keeps its records below a node of their own"
	case len(s) > maxRoot:
		return "", fmt.Sprintf("it is longer than %d bytes", maxRoot)
	case !utf8.ValidString(s):
		return "", "it is not text"
	}
	for part := range strings.SplitSeq(root[1:], "/") {
		switch {
		case part == "":
			return "", "it has an empty part"
		case part == "." || part == "..":
			return "", "a path of ZooKeeper has no " + part
		case strings.ContainsFunc(part, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) || r >= 0xfff0 && r <= 0xffff }):
			return "", "it has a space or a character that cannot be shown"
		}
	}
	return root, ""
}

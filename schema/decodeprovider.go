package schema

import (
	"path"
	"reflect"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// providerCapsule is the type of provider.LABEL, as clusterCapsule is that of cluster.LABEL.
var providerCapsule = cty.Capsule("provider", reflect.TypeFor[Provider]())

// providerBlock pairs a block with the Provider that references to it carry.
type providerBlock struct {
	provider *Provider
	block    *hclsyntax.Block
}

func providerSpec() bodySpec {
	return bodySpec{
		what: "a provider block",
		attrs: []attrSpec{{name: "type", required: true}, {name: "args", required: true}, {name: "name"},
			{name: "name_nodes"}, {name: "user"}},
	}
}

// hdfsPort is where a name node listens when its address does not say (dfs.namenode.rpc-address).
const hdfsPort = "8020"

// decodeProvider fills in the Provider that references already point to.
func (l *loader) decodeProvider(b providerBlock) {
	p := b.provider
	c := l.check(providerSpec(), b.block.Body, b.block.DefRange())
	if s, at, ok := l.text(c, "name", false); ok {
		if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r == ']' || unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
			l.errorf(CodeProvider, at, "what stands behind the dot in [block_service.NAME]", "%q cannot be the name of a block service", s)
		}
		p.Name = s
	}
	p.Type, _ = choice(l, c, "type", "", nil, LocalService, HDFSService)
	if s, at, ok := l.text(c, "args", true); ok && p.Type != "" {
		p.Args = s
		if problem := p.readArgs(); problem != "" {
			l.errorf(CodeProvider, at, "write the args line of the servers' section [block_service."+p.Name+"]: "+argsForm(p.Type), "args = %q: %s", s, problem)
		}
	}
	for _, name := range []string{"name_nodes", "user"} {
		if a := c.attrs[name]; a != nil && p.Type == LocalService {
			l.errorf(CodeNoEffect, a.NameRange, "remove it", "%q has no effect: a local_service is a directory", name)
		}
	}
	if p.Type != HDFSService {
		return
	}
	p.User, _, _ = l.text(c, "user", false)
	if nodes := l.nameNodes(c); len(nodes) > 0 {
		p.NameNodes = nodes
	}
}

func argsForm(t ProviderType) string {
	if t == LocalService {
		return "one absolute path"
	}
	return "a name node, then the root path if there is one"
}

// readArgs takes the args line apart as the servers do (block_service_manager.cpp splits it at spaces;
// hdfs_service.cpp and local_service.cpp, initialize). problem is "" when it is good.
func (p *Provider) readArgs() (problem string) {
	words := strings.Fields(p.Args)
	if p.Type == LocalService {
		switch {
		case len(words) == 0:
			return "without a path servers take their working directory, which this tool does not see"
		case len(words) > 1:
			return "servers take a space for the end of the path"
		}
		p.Root, problem = absolute(words[0])
		return problem
	}
	switch {
	case len(words) == 0:
		return "the name node is missing"
	case len(words) > 2:
		return "hdfs_service takes a name node and a path"
	}
	node, problem := nameNode(words[0])
	if problem != "" {
		return problem
	}
	p.NameNodes, p.Root = []string{node}, "/"
	if len(words) == 2 {
		p.Root, problem = absolute(words[1])
	}
	return problem
}

func absolute(s string) (clean, problem string) {
	if !strings.HasPrefix(s, "/") {
		return "", "the path must begin with a slash"
	}
	return path.Clean(s), ""
}

// nameNode gives host:port of a name node, or the logical name (dfs.nameservices) that a word without a port is
// when it has no dot.
func nameNode(s string) (addr, problem string) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "hdfs://"), "/")
	if s == "" || strings.Contains(s, "/") {
		return "", "the name node is not a host"
	}
	if !strings.Contains(s, ":") {
		if !strings.Contains(s, ".") && s != "localhost" {
			return s, ""
		}
		s += ":" + hdfsPort
	}
	addr, problem = ParseAddress(s)
	if problem != "" {
		problem = "the name node: " + problem
	}
	return addr, problem
}

// nameNodes gives the declared name nodes, each once.
func (l *loader) nameNodes(c *content) []string {
	items, at, ok := l.textList(c, "name_nodes", false)
	if ok && len(items) == 0 {
		l.errorf(CodeNoAddress, at, "leave it out for the one in args", "%q lists no address", "name_nodes")
	}
	var out []string
	seen := map[string]bool{}
	for _, item := range items {
		addr, problem := nameNode(item.text)
		switch {
		case problem != "":
			l.errorf(CodeAddress, item.at, `like "10.4.0.1:8020"`, "%q is not a name node: %s", item.text, problem)
		case seen[addr]:
			l.errorf(CodeAddressTwice, item.at, "remove one", "%q is listed twice", addr)
		default:
			seen[addr] = true
			out = append(out, addr)
		}
	}
	return out
}

// providerRef gives the provider that an argument refers to, nil when it is absent or something else.
func (l *loader) providerRef(c *content, name string, required bool) (*Provider, hcl.Range) {
	v, at, ok := l.arg(c, name, required)
	if !ok {
		return nil, at
	}
	if v.Type() != providerCapsule {
		hint := "write " + name + " = provider.NAME, with the label of a provider block"
		if v.Type() == cty.String {
			if _, known := l.scope.providers[v.AsString()]; known {
				hint = "write " + name + " = provider." + v.AsString() + ", without quotes"
			}
		}
		l.errorf(CodeProviderWanted, at, hint, "%q must refer to a provider block, not %s", name, describe(v))
		return nil, at
	}
	p, _ := v.EncapsulatedValue().(*Provider)
	return p, at
}

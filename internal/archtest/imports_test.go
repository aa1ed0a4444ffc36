package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/pegmigrate/pegmigrate"

// graph maps every package of ours, by its folder, to the packages of ours that it imports.
type graph map[string][]string

// imports asks the go command, because only it knows what a build really takes in.
var imports = sync.OnceValues(func() (graph, error) {
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "./...")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.Join(err, errors.New(stderr.String()))
	}
	g := graph{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return g, nil
		case err != nil:
			return nil, err
		}
		name := folderOf(p.ImportPath)
		g[name] = []string{}
		for _, i := range p.Imports {
			if i == module || strings.HasPrefix(i, module+"/") {
				g[name] = append(g[name], folderOf(i))
			}
		}
	}
})

func folderOf(path string) string {
	if path == module {
		return "main"
	}
	return strings.TrimPrefix(path, module+"/")
}

// reaches gives everything of ours that a package takes in, with one way to it.
func (g graph) reaches(from string) map[string][]string {
	ways := map[string][]string{}
	queue := [][]string{{from}}
	for len(queue) > 0 {
		way := queue[0]
		queue = queue[1:]
		for _, next := range g[way[len(way)-1]] {
			if _, known := ways[next]; known {
				continue
			}
			longer := append(slices.Clone(way), next)
			ways[next] = longer
			queue = append(queue, longer)
		}
	}
	return ways
}

func importGraph(t *testing.T) graph {
	t.Helper()
	g, err := imports()
	if err != nil {
		t.Fatal(err)
	}
	if len(g["main"]) == 0 {
		t.Fatal("the program imports nothing of ours; the graph was read wrongly")
	}
	return g
}

// mayImport lists, for packages whose place is fixed, all of ours that they may take in, directly
// or through others.
func mayImport() map[string][]string {
	return map[string][]string{
		"schema":              {},
		"internal/event":      {},
		"internal/pegkey":     {},
		"internal/idl":        {},
		"internal/atomicfile": {},
		"internal/marker":     {},
		"internal/difference": {"internal/atomicfile"},
		"internal/pace":       {},
		"internal/control":    {"internal/pace", "internal/atomicfile"},
		// Files know no cluster and no plan.
		"internal/blobstore":          {"internal/atomicfile"},
		"internal/blobstore/hdfstest": {},
		"internal/backup":             {"internal/blobstore", "internal/atomicfile"},
		"internal/sst":                {},
		"internal/rowfilter":          {},
		"internal/geo":                {"internal/pegkey"},
		"internal/splitter":           {"internal/backup", "internal/blobstore", "internal/atomicfile", "internal/pegkey", "internal/rowfilter", "internal/sst"},
		"internal/backuprows":         {"internal/rowfilter", "internal/scan", "internal/pegasus", "internal/wire", "internal/idl", "internal/pegkey"},
		// What a plan calls a provider is a store.
		"internal/provider": {"plan", "schema", "internal/backup", "internal/blobstore", "internal/atomicfile"},
		// A plan is made from a declaration and facts, and from nothing else.
		"plan": {"schema"},
		// State stores blobs: no plan type, no cluster, no terminal.
		"state": {"internal/atomicfile"},
		// Steps run through the interfaces that apply declares.
		"apply": {"plan", "schema", "state", "internal/atomicfile", "internal/event", "internal/marker"},
		// What watches a run hears events and nothing else.
		"internal/metrics": {"internal/event"},
		"internal/history": {"internal/event", "internal/atomicfile"},
		// The client side of the wire.
		"internal/wire":    {"internal/idl"},
		"internal/pegasus": {"internal/wire", "internal/idl", "internal/pegkey"},
		// The server side; what it shares with the client has a test of its own below.
		"internal/sandbox": {"internal/sandbox/zookeeper", "internal/sandbox/metaproxy", "internal/idl", "internal/pegkey", "internal/atomicfile", "internal/sst"},
		// MetaProxy is another program: the simulated one shares no line with the client that asks it.
		"internal/sandbox/zookeeper": {},
		"internal/sandbox/metaproxy": {"internal/idl"},
		// The engines know clusters, and no plan.
		"internal/scan":   {"internal/pegasus", "internal/wire", "internal/idl", "internal/pegkey", "internal/rowfilter"},
		"internal/copier": {"internal/pace", "internal/rowfilter", "internal/scan", "internal/pegasus", "internal/wire", "internal/idl", "internal/pegkey"},
		"internal/differ": {"internal/pace", "internal/scan", "internal/pegasus", "internal/wire", "internal/idl", "internal/pegkey", "internal/rowfilter"},
		// Route records and proxies; it gives plans their facts.
		"internal/metaproxy": {"plan", "schema", "internal/pegasus", "internal/wire", "internal/idl", "internal/pegkey"},
		// A witness is worth what it does not share with us.
		"internal/canary": {},
		// Looking cannot change: observe takes in nothing that acts on a cluster. Of splitter it has the way into a backup's
		// files.
		"internal/observe": {"plan", "schema", "internal/marker", "internal/metaproxy", "internal/pegasus", "internal/wire", "internal/idl", "internal/pegkey",
			"internal/provider", "internal/backup", "internal/blobstore", "internal/atomicfile", "internal/splitter", "internal/rowfilter", "internal/sst"},
	}
}

func TestPackagesTakeInOnlyWhatTheirPlaceAllows(t *testing.T) {
	g := importGraph(t)
	for pkg, allowed := range mayImport() {
		if _, ok := g[pkg]; !ok {
			t.Errorf("%s is in the rules and not in the repository", pkg)
		}
		ways := g.reaches(pkg)
		for _, got := range slices.Sorted(maps.Keys(ways)) {
			if !slices.Contains(allowed, got) {
				t.Errorf("%s must not take in %s: %s", pkg, got, strings.Join(ways[got], " -> "))
			}
		}
	}
}

// TestPackagesThatMustStayApart names the bans of the design one by one, so that a change of
// mayImport cannot lift them by accident.
func TestPackagesThatMustStayApart(t *testing.T) {
	g := importGraph(t)
	world := []string{"internal/cli", "internal/view", "internal/pegasus", "internal/wire", "internal/metaproxy",
		"internal/sandbox", "internal/copier", "internal/differ", "internal/actuate", "internal/observe", "internal/canary"}
	never := map[string][]string{
		"schema":           append([]string{"plan", "apply", "state"}, world...),
		"plan":             append([]string{"apply", "state"}, world...),
		"state":            append([]string{"apply", "plan", "schema"}, world...),
		"apply":            world,
		"internal/sandbox": {"internal/pegasus", "internal/wire"},
		"internal/pegasus": {"internal/sandbox", "plan", "apply"},
		"internal/wire":    {"internal/sandbox"},
		"internal/actuate": {"internal/sandbox", "internal/cli", "internal/view", "internal/observe", "state"},
		"internal/observe": {"internal/sandbox", "internal/cli", "internal/view", "internal/actuate", "apply", "state"},
		"internal/view":    {"internal/sandbox", "internal/cli", "internal/pegasus", "internal/actuate", "internal/observe", "apply"},
	}
	// actuate implements apply's interfaces, and apply needs the state to run.
	viaApply := map[string]bool{"internal/actuate state": true}
	for pkg, banned := range never {
		ways := g.reaches(pkg)
		for _, b := range banned {
			way, found := ways[b]
			if found && viaApply[pkg+" "+b] && slices.Contains(way, "apply") {
				continue
			}
			if found {
				t.Errorf("%s must never take in %s: %s", pkg, b, strings.Join(way, " -> "))
			}
		}
	}
}

// TestClientAndSandboxShareOnlyWhatIsHeldToOutsideBytes: a mistake in what both sides use is
// mirrored and seen by no test between them.
func TestClientAndSandboxShareOnlyWhatIsHeldToOutsideBytes(t *testing.T) {
	g := importGraph(t)
	client := g.reaches("internal/pegasus")
	for pkg, way := range g.reaches("internal/sandbox") {
		if _, both := client[pkg]; both && pkg != "internal/idl" && pkg != "internal/pegkey" {
			t.Errorf("the sandbox and the client both take in %s: %s", pkg, strings.Join(way, " -> "))
		}
	}
}

// TestOnlyTheCommandsJoinDecisionAndAction: who sees both what is to be done and the hands that do
// it could do it unreviewed.
func TestOnlyTheCommandsJoinDecisionAndAction(t *testing.T) {
	pairs := [][2]string{{"apply", "internal/actuate"}, {"plan", "internal/observe"}}
	for pkg, direct := range importGraph(t) {
		for _, pair := range pairs {
			if pkg != "internal/cli" && slices.Contains(direct, pair[0]) && slices.Contains(direct, pair[1]) {
				t.Errorf("%s imports both %s and %s; only internal/cli may", pkg, pair[0], pair[1])
			}
		}
		if pkg != "main" && slices.Contains(direct, "internal/cli") {
			t.Errorf("%s imports internal/cli; only main may", pkg)
		}
		if pkg != "internal/cli" && slices.Contains(direct, "internal/canary") {
			t.Errorf("%s imports internal/canary, and with it Apache's client; only internal/cli may", pkg)
		}
		if pkg != "internal/cli" && slices.Contains(direct, "internal/sandbox") && !testOnly(pkg) {
			t.Errorf("%s imports internal/sandbox; only internal/cli and tests may", pkg)
		}
	}
}

// testOnly says whether a package exists for tests.
func testOnly(pkg string) bool {
	return strings.HasSuffix(pkg, "test") || strings.HasPrefix(pkg, "internal/archtest")
}

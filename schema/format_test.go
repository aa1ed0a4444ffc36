package schema

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFormat(t *testing.T) {
	in := "migration \"a\" {\nlimits {\n  in_flight = 5 # five\n rows_per_second=10\n}\n}\n"
	want := "migration \"a\" {\n  limits {\n    in_flight       = 5 # five\n    rows_per_second = 10\n  }\n}\n"
	if got := string(Format([]byte(in))); got != want {
		t.Errorf("got\n%s", got)
	}
	for _, broken := range []string{"migration {", "a = ", strings.Repeat("(", 1000), "a = \"\n"} {
		if got := string(Format([]byte(broken))); got != broken {
			t.Errorf("%q became %q", broken, got)
		}
	}
}

func TestCorpusFormatsToItsFixpoint(t *testing.T) {
	files, _ := filepath.Glob("testdata/*/*.hcl")
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		once := Format(src)
		if !bytes.Equal(once, Format(once)) {
			t.Errorf("%s: not idempotent", name)
		}
	}
}

// TestFormatIsIdempotent throws the pieces of the language together with odd white space.
func TestFormatIsIdempotent(t *testing.T) {
	pieces := rapid.SampledFrom([]string{"migration \"m\" {", "}", "limits {", "a = 1", "bb = \"x\"", "c = [1,2,", "3]", "# note",
		"/* note */", "d = {", "k = v", "e = cluster.east", "f = <<EOT", "text", "EOT", "g = true?1:2", "h=-1", "\n", " ", "\t", "\r\n", ", ", "(", ")"})
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(pieces, 0, 30).Draw(t, "parts")
		src := strings.Join(parts, rapid.SampledFrom([]string{"\n", " ", "\n\n  "}).Draw(t, "glue"))
		once := Format([]byte(src))
		if twice := Format(once); !bytes.Equal(once, twice) {
			t.Fatalf("%q then %q", once, twice)
		}
		if squeeze(src) != squeeze(string(once)) {
			t.Fatalf("more than white space: %q then %q", src, once)
		}
	})
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }

func TestStarter(t *testing.T) {
	for name, args := range map[string]StarterArgs{
		"plain": {SourceCluster: "east", TargetCluster: "west", SourceMeta: []string{"10.0.0.1:34601", "10.0.0.2:34601"},
			TargetMeta: []string{"10.1.0.1:34601"}, Table: "orders", Partitions: 64, Replicas: 3},
		"odd names":       {SourceCluster: "on-line ü", TargetCluster: "9west", Table: "a:b.c", TargetTable: "copy", Partitions: 48},
		"same names":      {SourceCluster: "c3", TargetCluster: "c3", Table: "t", Partitions: 1},
		"nothing known":   {Table: "t"},
		"many partitions": {Table: "t", Partitions: 100000},
	} {
		t.Run(name, func(t *testing.T) {
			src := Starter(args)
			if !bytes.Equal(src, Format(src)) {
				t.Error("not formatted")
			}
			cfg, diags := loadText(string(src))
			if len(diags) > 0 {
				t.Fatalf("%s\n%s", src, render(cfg, diags))
			}
			m := cfg.Migrations[0]
			if m.Source.Table != args.Table {
				t.Errorf("%+v", m)
			}
			compareGolden(t, filepath.Join("testdata", "starter", strings.ReplaceAll(name, " ", "_")+".golden"), string(src))
		})
	}
}

func TestNextPowerOfTwo(t *testing.T) {
	for in, want := range map[int32]int32{3: 4, 5: 8, 48: 64, 65: 128, 40000: 65536, 65537: 65536, 1 << 30: 65536} {
		if got := nextPowerOfTwo(in); got != want {
			t.Errorf("%d: want %d, got %d", in, want, got)
		}
	}
}

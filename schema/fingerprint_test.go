package schema

import (
	"regexp"
	"strings"
	"testing"
)

func prints(t *testing.T, src string) (whole, identity string) {
	t.Helper()
	cfg, diags := loadText(src)
	if diags.HasErrors() {
		t.Fatalf("%s", render(cfg, diags))
	}
	return cfg.Migrations[0].Fingerprint, cfg.Migrations[0].IdentityFingerprint
}

func TestFingerprints(t *testing.T) {
	base := strings.Replace(small("", ""), `["10.0.0.1:34601"]`, `["10.0.0.1:34601", "10.0.0.2:34601"]`, 1)
	whole, identity := prints(t, base)
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(whole) || whole == identity {
		t.Fatalf("%s %s", whole, identity)
	}
	change := func(old, new string) string {
		out := strings.Replace(base, old, new, 1)
		if out == base {
			t.Fatalf("%q does not occur", old)
		}
		return out
	}
	for name, tc := range map[string]struct {
		src                     string
		sameWhole, sameIdentity bool
	}{
		"comment":          {"# hello\n" + base, true, true},
		"default written":  {change(`method "copy" {`, "method \"copy\" {\n source_writes = \"stopped\""), true, true},
		"computed":         {change(`"orders"`+"\n  }", `lower("ORDERS")`+"\n  }"), true, true},
		"metas reordered":  {change(`"10.0.0.1:34601", "10.0.0.2:34601"`, `"10.0.0.2:34601", "10.0.0.1:34601"`), true, true},
		"limit":            {change(`method "copy" {`, "limits {\n in_flight = 5\n }\n method \"copy\" {"), false, true},
		"gate":             {change(`method "copy" {`, "approve = [\"copy\"]\n method \"copy\" {"), false, true},
		"name":             {change(`"orders" {`, `"orders2" {`), false, false},
		"source table":     {change(`"orders"`+"\n  }", `"orders2"`+"\n  }"), false, false},
		"metas changed":    {change(`"10.0.0.2:34601"`, `"10.0.0.3:34601"`), false, true},
		"target envs":      {change("cluster.west\n", "cluster.west\n envs = { default_ttl = 5 }\n"), false, false},
		"partitions":       {change("cluster.west\n", "cluster.west\n partition_count = 8\n"), false, false},
		"replicas":         {change("cluster.west\n", "cluster.west\n replica_count = 2\n"), false, false},
		"source writes":    {change(`method "copy" {`, "method \"copy\" {\n source_writes = \"fenced\""), false, false},
		"verify":           {change(`method "copy" {`, "verify {\n mode = \"off\"\n }\n method \"copy\" {"), false, false},
		"defaults written": {change(`method "copy" {`, "method \"copy\" {\n keep_ttl = true\n copy_value = true\n overwrite = \"always\"\n multi_set = \"auto\"\n"), true, true},
		"rows":             {change(`method "copy" {`, "method \"copy\" {\n hash_key = \"prefix:a\"\n"), false, false},
		"some partitions":  {change(`method "copy" {`, "method \"copy\" {\n partitions = [1]\n"), false, false},
		"keep_ttl":         {change(`method "copy" {`, "method \"copy\" {\n keep_ttl = false\n"), false, false},
		"copy_value":       {change(`method "copy" {`, "method \"copy\" {\n copy_value = false\n"), false, false},
		"overwrite":        {change(`method "copy" {`, "method \"copy\" {\n overwrite = \"never\"\n"), false, false},
		"multi_set":        {change(`method "copy" {`, "method \"copy\" {\n multi_set = \"off\"\n"), false, true},
		"scan batch":       {change(`method "copy" {`, "method \"copy\" {\n scan_batch = 10\n timeout = \"9s\"\n"), false, true},
		"geo":              {change(`method "copy" {`, "method \"copy\" {\n geo {\n }\n"), false, false},
		"window":           {change(`method "copy" {`, "limits {\n window = [\"22:00-06:00\"]\n }\n method \"copy\" {"), false, true},
		"stop_if":          {change(`method "copy" {`, "limits {\n stop_if {\n target_p99 = \"1s\"\n }\n }\n method \"copy\" {"), false, true},
		"sample":           {change(`method "copy" {`, "verify {\n mode = \"sample\"\n }\n method \"copy\" {"), false, false},
		"if exists":        {change("cluster.west\n", "cluster.west\n if_exists = \"merge\"\n"), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, i := prints(t, tc.src)
			if (w == whole) != tc.sameWhole || (i == identity) != tc.sameIdentity {
				t.Errorf("whole same: %v, identity same: %v", w == whole, i == identity)
			}
		})
	}
}

// TestFingerprintFormatIsFrozen: a run that is under way must be found again by a later release.
func TestFingerprintFormatIsFrozen(t *testing.T) {
	whole, identity := prints(t, small("", ""))
	const wantWhole, wantIdentity = "637fccbf5b008ba90f3cddf7621466090de566955330478201c6d0e8edad8acf", "27a42453ef9e2293e3c62f91b43d34ea20eadf6a47b5970ae4664f7f9d40b03f"
	if whole != wantWhole || identity != wantIdentity {
		t.Errorf("whole %s identity %s", whole, identity)
	}
}

package backup

import (
	"testing"

	"pgregory.net/rapid"
)

func TestParseDir(t *testing.T) {
	for p, want := range map[string]Dir{
		goldenPath:                      {"onebox1", 1795224430664, "fixture", 14},
		"/onebox1/1/t_2/":               {"onebox1", 1, "t", 2},
		"1/t_2":                         {"", 1, "t", 2},
		"back/up/root/policy/7/a_b_c_9": {"back/up/root/policy", 7, "a_b_c", 9},
		"r/7/a.b:c_9":                   {"r", 7, "a.b:c", 9},
	} {
		got, err := ParseDir(p)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", p, got, err)
		}
	}
	for _, p := range []string{"", "/", "t_2", "x/t_2", "0/t_2", "01/t_2", "-1/t_2", "1/t", "1/_2", "1/t_", "1/t_0", "1/t_02", "1/t_-2", "1/t_2147483648", "1/t t_2", "99999999999999999999/t_1", "../1/.._2"} {
		if got, err := ParseDir(p); CodeOf(err) != CodeInvalid {
			t.Errorf("%q: %+v, %v", p, got, err)
		}
	}
}

// TestRestoreNamesTheSamePlace joins the words of a request as replica::find_valid_checkpoint of the servers does.
func TestRestoreNamesTheSamePlace(t *testing.T) {
	part := rapid.StringMatching(`[a-z]{1,5}`)
	rapid.Check(t, func(rt *rapid.T) {
		policy := rapid.Bool().Draw(rt, "policy")
		parts := rapid.SliceOfN(part, 2, 5).Draw(rt, "root")
		root := ""
		for i, p := range parts {
			if i > 0 {
				root += "/"
			}
			root += p
		}
		d := Dir{root, rapid.Int64Min(1).Draw(rt, "id"), part.Draw(rt, "table"), rapid.Int32Min(1).Draw(rt, "app id")}
		if back, err := ParseDir("/" + d.String()); err != nil || back != d {
			rt.Fatalf("%+v: %+v, %v", d, back, err)
		}
		restorePath, cluster, policyName := d.Restore(policy)
		got := cluster
		if restorePath != "" {
			got = restorePath + "/" + got
		}
		if policyName != "" {
			got += "/" + policyName
		}
		if got != root || cluster == "" || (policyName != "") != policy {
			rt.Fatalf("%s: %q %q %q", root, restorePath, cluster, policyName)
		}
	})
}

package policy

import (
	"strings"
	"testing"
)

func TestParsePrincipal(t *testing.T) {
	for in, want := range map[string]principal{
		"spiffe://cluster.local/ns/team-a/sa/app1":     {"cluster.local", "team-a", "app1"},
		"spiffe://cluster.local/ns/team-a/sa/app1.v2":  {"cluster.local", "team-a", "app1.v2"},
		"spiffe://prod.example/ns/ns/sa/sa":            {"prod.example", "ns", "sa"},
		"spiffe://a_b-c.1/ns/team-a/sa/default":        {"a_b-c.1", "team-a", "default"},
		"spiffe://cluster.local/ns/team-a/sa/a-b.c-d1": {"cluster.local", "team-a", "a-b.c-d1"},
	} {
		got, ok := parsePrincipal(in)
		if !ok || got != want || got.String() != in {
			t.Errorf("parsePrincipal(%q) = %+v, %t", in, got, ok)
		}
	}
}

// TestParsePrincipalRefuses what is not, character for character, the id of a
// workload.
func TestParsePrincipalRefuses(t *testing.T) {
	const id = "spiffe://cluster.local/ns/team-a/sa/app1"
	for _, in := range []string{
		"", "spiffe://", "*", ".*", "app1", "cluster.local/ns/team-a/sa/app1",
		" " + id, id + " ", id + "\n", id + "\x00", id + "/", id + "/x", id + "//", id + "?x", id + "#x",
		strings.ToUpper(id), strings.Replace(id, "spiffe", "SPIFFE", 1), strings.Replace(id, "cluster", "Cluster", 1),
		strings.Replace(id, "spiffe:", "https:", 1), strings.Replace(id, "//", "/", 1),
		strings.Replace(id, "/ns/", "/NS/", 1), strings.Replace(id, "/sa/", "/Sa/", 1), strings.Replace(id, "/sa/", "/", 1),
		strings.Replace(id, "team-a", "", 1), strings.Replace(id, "app1", "", 1),
		strings.Replace(id, "team-a", "team-a/sa/app1/ns/team-b", 1),
		strings.Replace(id, "team-a", "team%2Da", 1), strings.Replace(id, "app1", "app%31", 1),
		strings.Replace(id, "team-a", "../team-b", 1), strings.Replace(id, "team-a", "./team-a", 1),
		strings.Replace(id, "app1", "*", 1), strings.Replace(id, "app1", ".*", 1), strings.Replace(id, "app1", "App1", 1),
		strings.Replace(id, "app1", "app_1", 1), strings.Replace(id, "app1", ".app1", 1), strings.Replace(id, "app1", "b\u00fccher", 1),
		strings.Replace(id, "cluster.local", "cluster.local:443", 1), strings.Replace(id, "cluster.local", "user@cluster.local", 1),
		strings.Replace(id, "cluster.local", "", 1), strings.Replace(id, "cluster", "\u0441luster", 1),
	} {
		if p, ok := parsePrincipal(in); ok {
			t.Errorf("parsePrincipal(%q) = %+v", in, p)
		}
	}
}

package e2e_test

import (
	"maps"
	"strings"
	"testing"

	"sallyport.dev/e2e/cluster"
)

// TestDryRun: a dry run of a good, a completed and a refused object, created
// and changed, stores nothing anywhere and answers what the real request does.
func TestDryRun(t *testing.T) {
	user := tenant(t, "team-dry")
	cleanUp(t, user, "destinationrule/app1")
	good, short, bad := ruleOf("team-dry", "team-dry/cert", "1"), ruleOf("team-dry", "cert", "1"), ruleOf("team-dry", "team-b/cert", "1")
	for _, tt := range []struct{ name, manifest string }{
		{"good", good}, {"completed", short}, {"refused", bad},
	} {
		t.Run("create "+tt.name, func(t *testing.T) {
			before := everything(t)
			dry := user.Kubectl(t.Context(), tt.manifest, "create", "--dry-run=server", "-o", "jsonpath={.metadata.labels}{.spec}", "-f", "-")
			unchangedSince(t, before)
			real := user.Kubectl(t.Context(), tt.manifest, "create", "-o", "jsonpath={.metadata.labels}{.spec}", "-f", "-")
			same(t, dry, real)
			if real.ExitCode == 0 {
				kubectl(t, user, "", "delete", "destinationrule/app1")
			}
		})
	}
	kubectl(t, user, good, "create", "-f", "-")
	for _, tt := range []struct{ name, patch string }{
		{"good", `{"metadata": {"labels": {"version": "2"}}}`},
		{"completed", `{"spec": {"trafficPolicy": {"tls": {"credentialName": "cert-2"}}}}`},
		{"refused", `{"spec": {"trafficPolicy": {"tls": {"credentialName": "team-b/cert"}}}}`},
	} {
		t.Run("patch "+tt.name, func(t *testing.T) {
			args := []string{"patch", "destinationrule/app1", "--type=merge", "-p", tt.patch, "-o", "jsonpath={.metadata.labels}{.spec}"}
			before := everything(t)
			dry := user.Kubectl(t.Context(), "", append(args, "--dry-run=server")...)
			unchangedSince(t, before)
			same(t, dry, user.Kubectl(t.Context(), "", args...))
		})
	}
}

// everything is the resourceVersion of every object of the cluster.
func everything(t *testing.T) map[string]string {
	t.Helper()
	all, err := testCluster().Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("a cluster with %d objects is too small to be all of it", len(all))
	}
	return all
}

func unchangedSince(t *testing.T, before map[string]string) {
	t.Helper()
	after := everything(t)
	if maps.Equal(before, after) {
		return
	}
	for object, version := range after {
		if before[object] != version {
			t.Errorf("%s: resourceVersion %q became %q", object, before[object], version)
		}
	}
	t.Errorf("%d objects became %d", len(before), len(after))
}

// same compares two answers of kubectl. It says itself what was a dry run.
func same(t *testing.T, dry, real cluster.Result) {
	t.Helper()
	plain := func(s string) string { return strings.ReplaceAll(s, " (server dry run)", "") }
	if dry.ExitCode != real.ExitCode || plain(dry.Stdout) != real.Stdout || plain(dry.Stderr) != real.Stderr {
		t.Errorf("the dry run answers\n%d %s%s\nthe real request\n%d %s%s", dry.ExitCode, dry.Stdout, dry.Stderr, real.ExitCode, real.Stdout, real.Stderr)
	}
}

package e2e_test

import (
	"strings"
	"testing"

	"sallyport.dev/e2e/guard"
)

const openRule = `{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": [{"group": "networking.istio.io", "kind": "Hostname", "name": "app1.team-old.api.example.com.invalid", "port": 443}]}`

const closedRule = `{"matches": [{"headers": [{"name": "%%source.principal%%", "value": "spiffe://cluster.local/ns/team-old/sa/app1"}]}], "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["%%source.principal%%"]}}], "backendRefs": [{"group": "networking.istio.io", "kind": "Hostname", "name": "app1.team-old.api.example.com.invalid", "port": 443}]}`

func oldRoute(metadata, rules string) string {
	return `{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "old"` + metadata + `},
"spec": {"parentRefs": [{"group": "networking.istio.io", "kind": "ServiceEntry", "namespace": "istio-egress", "name": "shared"}], "rules": [` + rules + `]}}`
}

// TestOldObjects: a bad route that was there before sallyport may be annotated,
// freed of its finalizer, mended and deleted; it may not get worse.
func TestOldObjects(t *testing.T) {
	s := newStage(t)
	user := s.namespace(t, "team-old")
	kubectl(t, s.builder, oldRoute(`, "namespace": "team-old", "finalizers": ["example.com/wait"]`, openRule), "create", "-f", "-")

	annotated := user.Kubectl(t.Context(), "", "annotate", "httproute/old", "note=one")
	if annotated.ExitCode != 0 || !strings.Contains(annotated.Stderr, "SP201 own-principal, as before this change") {
		t.Errorf("annotation: exit %d\n%s", annotated.ExitCode, annotated.Stderr)
	}
	kubectl(t, user, "", "patch", "httproute/old", "--type=merge", "-p", `{"metadata": {"finalizers": null}}`)
	refused(t, user, "SP201", "", "patch", "httproute/old", "--type=merge", "-p", `{"spec": {"rules": [`+openRule+`,`+openRule+`]}}`)
	kubectl(t, user, "", "patch", "httproute/old", "--type=merge", "-p", `{"spec": {"rules": [`+closedRule+`]}}`)
	refused(t, user, "SP201", "", "patch", "httproute/old", "--type=merge", "-p", `{"spec": {"rules": [`+openRule+`]}}`)
	kubectl(t, user, "", "delete", "httproute/old")

	kubectl(t, s.builder, oldRoute(`, "namespace": "team-old"`, openRule), "create", "-f", "-")
	kubectl(t, user, "", "delete", "httproute/old")
}

// TestOutage: with sallyport down, what it judges waits, and nothing else does.
func TestOutage(t *testing.T) {
	user := tenant(t, "team-down")
	admin := testCluster().Admin
	log := &lockedBuffer{}
	g, err := guard.Start(t.Context(), testCluster(), guard.Options{Binary: shared.binary, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := testGuard().Install(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	refused(t, user, `failed calling webhook "validate.sallyport.dev"`, oldRoute("", closedRule), "create", "--dry-run=server", "-f", "-")
	for _, manifest := range []string{
		`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "free"}}`,
		`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "free"}, "spec": {"containers": [{"name": "a", "image": "a"}]}}`,
		`{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "free"}, "spec": {"ports": [{"port": 80}]}}`,
		`{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "free"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "a"}]}}}}`,
	} {
		kubectl(t, user, manifest, "create", "--dry-run=server", "-f", "-")
	}
	kubectl(t, admin, `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "free"}}`, "create", "--dry-run=server", "-f", "-")
	kubectl(t, admin, `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bound", "labels": {"istio.io/use-waypoint": "egress-waypoint"}}}`, "create", "--dry-run=server", "-f", "-")
	if err := racesIn(log); err != nil {
		t.Error(err)
	}
}
